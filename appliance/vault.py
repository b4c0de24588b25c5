"""Secrets at rest: what config.db holds of passwords and private keys is encrypted with the node's secret key.

Must never log or print what it opens. The key lies beside the database (mode 0640), is part of a backup, and is
the same on all nodes of a cluster. Encryption is Fernet of the cryptography package, which is loaded by the first
secret: many a worker never meets one.
"""

from __future__ import annotations

import base64
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

KEY_OCTETS = 32


class Vault:
    """Seals and opens secrets."""

    def __init__(self, key: bytes) -> None:
        try:
            octets = base64.urlsafe_b64decode(key)
        except ValueError:
            octets = b""
        if len(octets) != KEY_OCTETS:
            raise ValueError(f"this is no secret key: {KEY_OCTETS} octets in base64 are")
        self._key = key

    @cached_property
    def _fernet(self) -> Fernet:
        from cryptography.fernet import Fernet

        return Fernet(self._key)

    @classmethod
    def load(cls, path: Path) -> Vault:
        """The vault of the key at `path`. Raises OSError or ValueError if there is none or it is no key."""
        return cls(path.read_bytes().strip())

    @staticmethod
    def create(path: Path) -> None:
        """Write a new key, never over an old one."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.urlsafe_b64encode(os.urandom(KEY_OCTETS)) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def seal(self, secret: str) -> str:
        """Text that only this key opens."""
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """The secret again. Raises ValueError if the key is another one."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise ValueError("sealed with another secret.key") from error
