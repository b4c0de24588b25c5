"""The file that a map is imported from: one that was uploaded, or one of the machine that the console runs on.

Must never open a file of this machine for somebody who came by SSH: the process there may read more than they may.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from tui.words import clock, plain, size

OF_UPLOADS: Final = "upload:"  # before the name of an uploaded one, in requests and commands


class Origin(NamedTuple):
    """Where entries come from: `name` as the command has it, `path` if the file is opened here."""

    name: str
    about: str
    path: Path | None = None


def is_remote() -> bool:
    """Whether who looks is not at this machine."""
    return bool(os.environ.get("POSTERN_CONTROL_FD") or os.environ.get("POSTERN_REMOTE"))


def of_upload(row: Mapping[str, Any]) -> Origin:
    """One of the answer to ConsoleUploads."""
    return Origin(OF_UPLOADS + row["name"], f"{size(row['size'])}, uploaded {clock(row['at'])} by {row['by']}")


def of_path(typed: str) -> Origin:
    """A file of this machine. Raises ValueError with a sentence."""
    if is_remote():
        raise ValueError("over SSH files are uploaded: scp -P 2222 FILE NODE:")
    path = Path(typed).expanduser()
    try:
        if not path.is_file():
            raise ValueError(f"{path} is no file")
        about = size(path.stat().st_size)
        journal = path.with_name(path.name + "-wal")  # SQLite's: what was written, but is not in the file yet
        if journal.exists() and journal.stat().st_size:
            raise ValueError(f"{path} is being written to: make a copy by sqlite3's .backup, and import that")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    return Origin(str(path), about, path)


@contextmanager
def opened(origin: Origin) -> Iterator[BinaryIO | None]:
    """The file, where it is of this machine; the node has the uploaded ones. Raises OSError."""
    if origin.path is None:
        yield None
        return
    with origin.path.open("rb") as file:
        yield file


def how_to_upload(node: str) -> str:
    """What to do while there is no file."""
    here = "" if is_remote() else ", or press p for a file of this machine"
    return f"Nothing is uploaded yet: scp -P 2222 FILE {shlex.quote(plain(node, 60))}:  and come back{here}."
