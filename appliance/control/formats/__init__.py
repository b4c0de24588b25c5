"""The formats that map entries and accounts are imported from: one small reader each, and how a format is told.

A reader yields batches of rows `(line, first cell, second cell)` and of the lines that are wrong. It must never judge
what the cells mean, hold more than a batch, or fail on any octets other than by `Wrong` and `Unreadable`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from appliance.control.formats.database import read_database
from appliance.control.formats.jsonl import read_jsonl
from appliance.control.formats.lines import Batch, Source, Unreadable, Wrong
from appliance.control.formats.separated import read_csv, read_tsv

__all__ = ["FORMATS", "Batch", "Format", "Source", "Unreadable", "Wrong", "detect", "read_csv"]

Reader = Callable[[Source, tuple[str, str]], Iterator[Batch]]


class Format(msgspec.Struct, frozen=True):
    """One format: its reader, and whether that needs a file with a path of its own."""

    read: Reader
    needs_path: bool = False


FORMATS: Final[dict[str, Format]] = {
    "csv": Format(read_csv),
    "tsv": Format(read_tsv),
    "jsonl": Format(read_jsonl),
    "sqlite": Format(read_database, needs_path=True),
}

HEAD: Final = 65536
_MAGIC: Final = b"SQLite format 3\0"
_FOREIGN: Final = {
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"\x1f\x8b": "gzip: unpack it first",
    b"PK\x03\x04": "a zip archive or a spreadsheet: save it as CSV",
}


def detect(head: bytes) -> tuple[str, str]:
    """The format of a file that begins with these octets, and the reason. Raises Unreadable if it is none we know."""
    if head.startswith(_MAGIC):
        return "sqlite", "it begins with SQLite's signature"
    for magic, found in _FOREIGN.items():
        if head.startswith(magic):
            raise Unreadable(f"this is {found}")
    line = next((line for line in head.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()), b"")
    if line.lstrip().startswith(b"{"):
        return "jsonl", "its first line is a JSON object"
    if b"\t" in line:
        return "tsv", "its first line has a tab"
    if b"," in line:
        return "csv", "its first line has a comma"
    if not line:
        raise Unreadable("it is empty")
    raise Unreadable(f"its first line shows no known format: say --format {'|'.join(FORMATS)}")
