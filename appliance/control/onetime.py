"""One-time codes (TOTP, RFC 6238): a code is good once, within one step of drift.

Must never let a disk that takes nothing keep administrators out, nor a code be used twice because of it: what was used
is in memory as well as in node.db. Nothing here logs, or puts into an error, a secret or a code.
"""

from __future__ import annotations

import hmac
import logging
import sqlite3
import threading
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Final

from db import connect, console

LENGTH: Final = 32  # characters of a new secret: 160 bits
DRIFT: Final = 1  # steps
STEP: Final = 30  # seconds

log = logging.getLogger("postern.control")


def new_secret() -> str:
    """In base32."""
    import pyotp

    return pyotp.random_base32(LENGTH)


def uri(secret: str, name: str, node: str) -> str:
    """What an authenticator reads from a QR code."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=f"{name}@{node}", issuer_name="Postern")


def step_of(secret: str, code: str, now: float) -> int:
    """The time step that a code is of; 0 if it is of none that counts now."""
    import pyotp

    totp = pyotp.TOTP(secret)
    found = 0
    for drift in range(-DRIFT, DRIFT + 1):  # all of them, always: the answer takes the same time
        if hmac.compare_digest(totp.at(int(now) + drift * STEP).encode(), code.encode()):
            found = int(now) // STEP + drift
    return found


class Codes:
    """Which codes were used on this node. Threads may share it."""

    def __init__(self, node_db: Path) -> None:
        self._path = node_db
        self._used: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def use(self, name: str, secret: str, step: int) -> bool:
        """Whether the code of this step, which was right, was not used before; then it is used now."""
        digest = sha256(secret.encode()).hexdigest()
        with self._lock:
            if step <= self._last(name, digest):
                return False
            self._used[name, digest] = step
            self._keep(name, digest, step)
        return True

    def _last(self, name: str, digest: str) -> int:
        if (name, digest) in self._used:
            return self._used[name, digest]
        try:
            with closing(connect.reader(self._path)) as database:
                return console.last_step(database, name, digest)
        except sqlite3.Error as error:
            log.error("whether a code was used before could not be looked up: %s", error)
            return 0

    def _keep(self, name: str, digest: str, step: int) -> None:
        try:
            with closing(connect.writer(self._path)) as database:
                console.use_step(database, name, digest, step)
        except sqlite3.Error as error:
            log.error("that a code of %s was used could not be written down: %s", name, error)
