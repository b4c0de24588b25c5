"""Secrets at rest: what config.db holds of passwords and private keys is encrypted with the node's secret key.

Must never log or print what it opens. The key lies beside the database (mode 0640), is part of a backup, and is
the same on all nodes of a cluster. Encryption is Fernet of the cryptography package.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken


class Vault:
    """Seals and opens secrets."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    @classmethod
    def load(cls, path: Path) -> Vault:
        """The vault of the key at `path`. Raises OSError or ValueError if there is none or it is no key."""
        return cls(path.read_bytes().strip())

    @staticmethod
    def create(path: Path) -> None:
        """Write a new key, never over an old one."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def seal(self, secret: str) -> str:
        """Text that only this key opens."""
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """The secret again. Raises ValueError if the key is another one."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise ValueError("sealed with another secret.key") from error
