"""The files that commands name: `-`, `upload:NAME`, or a path of this machine - which over SSH is no one's to name.

Whoever comes by SSH is a stranger to this machine's file system: the process that runs here may read more than they
may. So every command opens its files by this module, and by nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from appliance.cli.base import Failure, ask
from appliance.control.api.uploads import ConsoleUploadText

UPLOAD: Final = "upload:"
REMOTE: Final = "POSTERN_REMOTE"  # set by the SSH server


def is_remote() -> bool:
    """Whether this command came over SSH."""
    return bool(os.environ.get(REMOTE))


def is_plain(file: str | Path) -> bool:
    """Whether this is a path: neither standard input nor an upload."""
    return str(file) != "-" and not str(file).startswith(UPLOAD)


def of_this_machine(file: str | Path) -> Path:
    """A path that may be opened here. Raises Failure over SSH."""
    if is_remote():
        raise Failure(f"over SSH {str(file)!r} is no file to be had: use - for standard input, or send it by scp and "
                      f"name it {UPLOAD}NAME", 2)  # fmt: skip
    return Path(file)


def text_of(file: str | Path, most: int) -> str:
    """What is in a file, in standard input or an upload. Raises Failure."""
    called = str(file)
    if called.startswith(UPLOAD):
        said: str = ask(ConsoleUploadText(called.removeprefix(UPLOAD))).value["text"]
        return said
    try:
        if called == "-":
            octets = sys.stdin.buffer.read(most + 1)
        else:
            with of_this_machine(file).open("rb") as source:
                octets = source.read(most + 1)
        if len(octets) > most:
            raise Failure(f"{called} has more than {most:,} octets")
        return octets.decode()
    except OSError as error:
        raise Failure(f"cannot read {called}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"cannot read {called}: it is no text") from error


def named(name: str, locally: Callable[[Path], str]) -> str:
    """What is in a file that a setting names; `locally` reads one of this machine. Raises ValueError."""
    if name.startswith(UPLOAD):
        try:
            return text_of(name, 0)
        except Failure as failure:
            raise ValueError(failure.message) from failure
    if is_remote():
        raise ValueError(f"over SSH no file of the node is read: send it by scp, and write {UPLOAD}NAME")
    return locally(Path(name))
