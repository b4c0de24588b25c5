"""Lines of a file of any size and any octets, with their numbers, in bounded memory.

What is not a line of text (too long, not UTF-8, a NUL in it) is named by its number and reads as an empty line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

LONGEST: Final = 8192  # octets of a line; an address has at most 320
BLOCK: Final = 256 * 1024


class Unreadable(ValueError):  # noqa: N818 - reads as what it says
    """The file as a whole cannot be read as what it is said to be. The text completes "FILE: ..."."""


class Wrong(msgspec.Struct, frozen=True):
    """One line that cannot be used, and why."""

    line: int
    text: str


class Source(msgspec.Struct, frozen=True):
    """An open file at its beginning; `size` in octets, 0 = not known; `path` and `table` for those that need them."""

    file: BinaryIO
    size: int = 0
    path: Path | None = None
    table: str = ""


class Batch(msgspec.Struct):
    """Some rows, in the order of the file, and the wrong lines among them. `done` of the source's size was read."""

    done: int
    rows: list[tuple[int, str, str]] = []
    wrong: list[Wrong] = []


class Block(msgspec.Struct):
    """Consecutive lines without their ends; the first has the number `first`, and `done` octets were read so far."""

    first: int
    done: int
    lines: list[bytes]


def blocks(file: BinaryIO) -> Iterator[Block]:
    """The file's lines. One longer than LONGEST comes cut, but still too long, so that its reader sees that it was."""
    first, done, rest = 1, 0, b""
    while data := file.read(BLOCK):
        done += len(data)
        *lines, rest = (rest + data).split(b"\n")
        rest = rest[: LONGEST + 1]
        if lines:
            yield Block(first, done, lines)
            first += len(lines)
    if rest:
        yield Block(first, done, [rest])


def text(block: Block, wrong: list[Wrong]) -> list[str]:
    """The block's lines as text; those that are none are added to `wrong` and come as "", so that numbers stay."""
    if max(map(len, block.lines)) <= LONGEST:
        whole = b"\n".join(block.lines)
        try:
            if b"\0" not in whole and b"\r" not in whole:
                return whole.decode().split("\n")
        except UnicodeDecodeError:
            pass  # which line it is, is found below
    return [_line(line, number, wrong) for number, line in enumerate(block.lines, block.first)]


def _line(line: bytes, number: int, wrong: list[Wrong]) -> str:
    line = line.removesuffix(b"\r")
    if len(line) > LONGEST:
        wrong.append(Wrong(number, f"longer than {LONGEST} octets"))
    elif b"\0" in line:
        wrong.append(Wrong(number, "has a NUL octet"))
    else:
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            wrong.append(Wrong(number, f"not UTF-8 at octet {error.start + 1}"))
    return ""
