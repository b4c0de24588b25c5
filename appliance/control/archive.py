"""A backup: one tar with the two databases, the secret key, certificates and host keys, and a table of contents.

Databases are copied by SQLite's backup API, as of one moment, while they are in use; they are loaded the same way.
Must never extract a member to a path that the archive names, nor trust its sizes: a stranger may have written it.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, BinaryIO, Final

import msgspec

from appliance.control.api import Refused
from appliance.home import Home
from db import backup, connect

FORMAT: Final = "postern backup 1"
CONTENTS: Final = "postern.json"  # the first member
DATABASES: Final = ("config.db", "node.db")
SMALL: Final = 1024 * 1024  # octets of a key or a certificate
COPY: Final = 1024 * 1024


class Contents(msgspec.Struct, frozen=True):
    """What the archive says of itself. `files`: its other members with their SHA-256, so that no part goes missing."""

    format: str
    node: str
    revision: int
    made: str
    files: dict[str, str] = {}


def keys(home: Home) -> list[Path]:
    """The small files that belong into a backup, those that exist."""
    folders = [file for folder in (home.tls, home.ssh) for file in sorted(folder.glob("[!.]*")) if file.is_file()]
    return [file for file in (home.secret_key, *folders) if file.exists()]


def write(home: Home, contents: Contents, target: BinaryIO) -> list[dict[str, object]]:
    """The whole archive; its members with their sizes. Raises OSError, sqlite3.Error."""
    home.staging.mkdir(mode=0o700, exist_ok=True)
    with TemporaryDirectory(prefix="backup-", dir=home.staging) as folder, tarfile.open(None, "w", target) as tar:
        files = {str(path.relative_to(home.path)): path for path in keys(home)}
        for name, source in zip(DATABASES, (home.config_db, home.node_db), strict=True):
            files[name] = Path(folder, name)
            with closing(connect.reader(source)) as live:
                backup.backup(live, files[name])
        sums = {name: _sum(path) for name, path in files.items()}
        _add(tar, CONTENTS, msgspec.json.encode(msgspec.structs.replace(contents, files=sums)))
        for name, path in files.items():
            tar.add(path, name, filter=_private)
        return [{"name": member.name, "size": member.size} for member in tar.getmembers()]


class Archive:
    """An archive that was read and found whole: databases as files of its own, the rest in memory."""

    def __init__(self, contents: Contents, folder: Path, small: dict[str, bytes]) -> None:
        self.contents = contents
        self.config_db = folder / "config.db"
        self.node_db = folder / "node.db"
        self.small = small

    def sum(self, name: str) -> str:
        """The SHA-256 of a member."""
        databases = {"config.db": self.config_db, "node.db": self.node_db}
        return _sum(databases[name]) if name in databases else hashlib.sha256(self.small[name]).hexdigest()


@contextmanager
def opened(home: Home, source: BinaryIO) -> Iterator[Archive]:
    """Everything in it, checked, in a folder that goes away. Raises Refused with a sentence, OSError."""
    home.staging.mkdir(mode=0o700, exist_ok=True)
    with TemporaryDirectory(prefix="restore-", dir=home.staging) as folder:
        try:
            with tarfile.open(fileobj=source, mode="r|") as tar:
                yield _read(tar, Path(folder))
        except (tarfile.TarError, EOFError) as error:
            raise Refused(f"this is no backup of Postern, or only a part of one ({error})") from error


def _read(tar: tarfile.TarFile, folder: Path) -> Archive:
    contents: Contents | None = None
    small: dict[str, bytes] = {}
    seen: set[str] = set()
    for member in tar:
        if contents is None:
            contents = _contents(tar, member)
            continue
        file = tar.extractfile(member) if member.isfile() else None
        if file is None:
            raise Refused(f"this is no backup of Postern: {member.name[:80]!r} in it is no plain file")
        if member.name in DATABASES:
            _copy(file, folder / member.name)
        elif _is_key(member.name) and member.size <= SMALL:
            small[member.name] = file.read()
        else:
            raise Refused(f"this is no backup of Postern: it holds {member.name[:80]!r}")
        seen.add(member.name)
    if contents is None or {*DATABASES, "secret.key"} - contents.files.keys():
        raise Refused("this is no backup of Postern: it lacks what every one has")
    found = Archive(contents, folder, small)
    if seen != contents.files.keys() or any(found.sum(name) != told for name, told in contents.files.items()):
        raise Refused("this backup is damaged: not everything in it is what was written")
    return found


def _contents(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Contents:
    file = tar.extractfile(member) if member.isfile() and member.name == CONTENTS and member.size <= SMALL else None
    try:
        contents = msgspec.json.decode(file.read() if file else b"", type=Contents)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise Refused("this is a tar archive, but no backup of Postern") from None
    if contents.format != FORMAT:
        raise Refused(f"this backup is of the format {contents.format[:40]!r}; this release reads {FORMAT!r}")
    return contents


def _is_key(name: str) -> bool:
    """secret.key, or a plain file directly in tls/ or ssh/."""
    folder, _, file = name.rpartition("/")
    return name == "secret.key" or (folder in ("tls", "ssh") and bool(file) and not file.startswith("."))


def _copy(file: IO[bytes], target: Path) -> None:
    with target.open("xb") as copy:
        shutil.copyfileobj(file, copy, COPY)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), 0o600, int(time.time())
    tar.addfile(member, io.BytesIO(data))


def _private(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode, member.uid, member.gid, member.uname, member.gname = 0o600, 0, 0, "", ""
    return member


def now() -> str:
    """When a backup is made, as it says."""
    return datetime.now(UTC).isoformat(timespec="seconds")
