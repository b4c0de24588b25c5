"""The right to supervise a home: flock(2) on HOME/run/supervisor.lock, which contains the holder's pid.

Must never wait, and never leave anything behind that the home's owner could not use: root may have started us. The
right ends with the process that holds it, however that ends; the file stays.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from appliance.home import Home

T = TypeVar("T")


class CannotStart(Exception):  # noqa: N818
    """Why there is nothing to supervise: one sentence."""


def claim(home: Home) -> int:
    """The descriptor that holds the right. Raises CannotStart, naming who has it, and OSError."""
    if not home.config_db.exists():
        raise CannotStart(f"{home.path} holds no node: run `postern --home {home.path} init` first")
    if not home.run.is_dir():
        home.run.mkdir(mode=0o750)
        _give_to_owner(os.lchown, home.run, home)
    # Never through a link: whoever owns the home could point root at any file.
    descriptor = os.open(home.run / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise CannotStart(f"{home.path} is already served by process {pid or 'unknown'}") from error
    _give_to_owner(os.fchown, descriptor, home)
    with suppress(OSError):  # a full disk takes no right away
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _give_to_owner(chown: Callable[[T, int, int], None], what: T, home: Home) -> None:
    if os.geteuid() == 0:
        owner = home.path.stat()
        chown(what, owner.st_uid, owner.st_gid)
