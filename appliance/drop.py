"""HOME/drop: files that administrators sent, one flat folder, bounded in size and time.

The SSH server writes here and the controller reads. A file is called by the name it was sent under; on disk its
sender's name stands before it, and a file that is still being sent is hidden. Must never follow a link.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

MOST: Final = 1024**3  # octets of all files together
KEPT_SECONDS: Final = 7 * 86400.0
UPLOAD: Final = "upload:"  # before a name: one of these files, and no path
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SENDER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,63}")
_AHEAD: Final = ":"  # between sender and name


class Unfit(Exception):  # noqa: N818
    """Why a file cannot be had or kept: a sentence."""


class Upload(NamedTuple):
    """One file that is whole."""

    name: str
    by: str
    size: int
    at: float
    path: Path


class Partial:
    """A file that is being sent."""

    def __init__(self, descriptor: int, path: Path, name: str, by: str) -> None:
        self.descriptor, self.path, self.name, self.by = descriptor, path, name, by
        self.size = 0
        self.broken = ""  # why something of it could not be kept


class Drop:
    """The folder, as one process sees it. `used` counts what this process adds between two looks."""

    def __init__(self, path: Path, most: int = MOST) -> None:
        self.path = path
        self.most = most
        self.used = 0

    def uploads(self) -> list[Upload]:
        """All whole files, newest first. Raises OSError."""
        return sorted((upload for upload in self._found()), key=lambda upload: -upload.at)

    def upload(self, name: str) -> Upload:
        """The newest of this name. Raises Unfit, OSError."""
        for upload in self.uploads():
            if upload.name == name:
                return upload
        raise Unfit(f"there is no upload {name[:100]!r}: send it by scp, `postern upload list` shows what came")

    def opened(self, name: str) -> BinaryIO:
        """To read it. Raises Unfit, OSError."""
        return os.fdopen(os.open(self.upload(name).path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")

    def remove(self, name: str) -> None:
        """All of this name. Raises Unfit, OSError."""
        self.upload(name)
        for upload in self.uploads():
            if upload.name == name:
                upload.path.unlink(missing_ok=True)

    def rename(self, name: str, new: str, by: str) -> None:
        """Another name, in the place of those that have it. Raises Unfit, OSError."""
        upload = self.upload(name)
        self._check(new, by)
        self._replace(upload.path, new, by)

    # --- sending ---------------------------------------------------------------------------------------------------

    def begin(self, name: str, by: str) -> Partial:
        """A new file, empty. Raises Unfit, OSError."""
        self._check(name, by)
        self.used = sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(self.path))
        path = self.path / f".{by}{_AHEAD}{name}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return Partial(os.open(path, flags, 0o640), path, name, by)

    def write(self, partial: Partial, offset: int, octets: bytes) -> None:
        """At an offset. Raises Unfit when the folder would have more than MOST, OSError."""
        growth, view = max(0, offset + len(octets) - partial.size), memoryview(octets)
        if self.used + growth > self.most:
            partial.broken = f"all uploads have at most {self.most:,} octets together: delete some (postern upload)"
            raise Unfit(partial.broken)
        try:
            while view:
                written = os.pwrite(partial.descriptor, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            partial.broken = f"it cannot be written: {error.strerror or error}"
            raise
        partial.size += growth
        self.used += growth

    def finish(self, partial: Partial) -> None:
        """It is whole: it takes the place of those of its name. Raises OSError."""
        os.close(partial.descriptor)
        self._replace(partial.path, partial.name, partial.by)

    def discard(self, partial: Partial) -> None:
        """It will never be whole."""
        os.close(partial.descriptor)
        self.used -= partial.size
        with suppress(OSError):
            partial.path.unlink(missing_ok=True)

    def sweep(self, partials: bool = False) -> None:
        """Delete what is old, and (`partials`) what a process that died left half. Raises OSError."""
        for entry in os.scandir(self.path):
            with suppress(OSError):  # gone meanwhile
                age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                if age > KEPT_SECONDS or (partials and entry.name.startswith(".")):
                    Path(entry.path).unlink()

    def _check(self, name: str, by: str) -> None:
        if not NAME.fullmatch(name):
            raise Unfit("a name has at most 100 letters, digits, '.', '_' and '-', and begins with a letter or digit")
        if not SENDER.fullmatch(by):
            raise Unfit("this administrator's name cannot be part of a file's")

    def _replace(self, path: Path, name: str, by: str) -> None:
        older = [upload.path for upload in self._found() if upload.name == name]
        whole = self.path / f"{by}{_AHEAD}{name}"
        path.replace(whole)
        for other in older:
            if other != whole:
                other.unlink(missing_ok=True)

    def _found(self) -> Iterator[Upload]:
        for entry in os.scandir(self.path):
            by, ahead, name = entry.name.partition(_AHEAD)
            if not (ahead and SENDER.fullmatch(by) and NAME.fullmatch(name)):
                continue
            with suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(found.st_mode):
                    yield Upload(name, by, found.st_size, found.st_mtime, self.path / entry.name)
