"""The right to be the only writer of a home: flock(2) on HOME/lock, which contains the holder's pid.

The lock ends with the process that holds it, however that ends; the file stays. A command does not wait for it here: it
looks for a node that runs meanwhile (control/client.py). The controller waits, as long as most commands take.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import Final

from appliance.control.api import Refused
from appliance.home import Home

PAUSE: Final = 0.05  # between two tries


class InUse(Refused):
    """Another process is the writer of this home."""


def take(home: Home, patience: float = 0.0) -> int:
    """The descriptor that holds the lock; closing it gives the lock back.

    Waits up to `patience` seconds for it. Raises InUse naming the holder, Refused.
    """
    if not home.config_db.exists():
        raise Refused(f"{home.path} holds no node: run `postern --home {home.path} init` first")
    try:
        # Never through a link: whoever owns the home could point root at any file.
        descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise Refused(f"cannot write in {home.path}: {error.strerror}") from error
    if not _locked(descriptor, patience):
        pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise InUse(f"{home.path} is in use by process {pid or 'unknown'}: only one may write to it")
    _sign(descriptor, home)
    return descriptor


def _locked(descriptor: int, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE)
        else:
            return True


def _sign(descriptor: int, home: Home) -> None:
    """Write who holds it. Neither a full disk nor a foreign owner takes the right away."""
    with contextlib.suppress(OSError):
        owner = home.path.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)  # root may run commands on a home of the user postern
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
