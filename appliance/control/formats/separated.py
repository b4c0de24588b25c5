"""Tables as text: CSV (RFC 4180) and TSV (IANA text/tab-separated-values).

Two columns in the order asked for; or a first line whose first cell is the first column's name is a header, and then
any order and further columns are fine. A record is one line: a quoted cell cannot hold a line end, so that one stray
quote spoils one line and not the rest of the file. Empty lines are skipped.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import count
from operator import methodcaller

import msgspec

from appliance.control.formats.lines import Batch, Source, Unreadable, Wrong, blocks, text


def read_csv(source: Source, columns: tuple[str, str]) -> Iterator[Batch]:
    """Batches of a CSV file. Raises Unreadable for a header without one of the columns."""
    return _read(source, columns, ",")


def read_tsv(source: Source, columns: tuple[str, str]) -> Iterator[Batch]:
    """Batches of a TSV file, which has no quoting. Raises Unreadable as `read_csv` does."""
    return _read(source, columns, "\t")


class _Layout(msgspec.Struct):
    """How many cells a line has, and which of them are ours."""

    delimiter: str
    width: int = 2
    first: int = 0
    second: int = 1


def _read(source: Source, columns: tuple[str, str], delimiter: str) -> Iterator[Batch]:
    layout: _Layout | None = None
    for block in blocks(source.file):
        batch = Batch(block.done)
        lines = text(block, batch.wrong)
        if block.first == 1:
            lines[0] = lines[0].removeprefix("\ufeff")
        if layout is None and (at := next((at for at, line in enumerate(lines) if line), None)) is not None:
            layout, is_header = _layout(lines[at], columns, delimiter)
            lines[at] = "" if is_header else lines[at]
        if layout is not None:
            _rows(lines, block.first, layout, batch)
        batch.wrong.sort(key=lambda wrong: wrong.line)
        yield batch


def _layout(line: str, columns: tuple[str, str], delimiter: str) -> tuple[_Layout, bool]:
    """Of the first line that has something; and whether it is a header."""
    try:
        names = [cell.strip().lower() for cell in _cells(line, delimiter)]
    except csv.Error:
        names = [""]  # told as a wrong line when it is read as one
    if names[0] != columns[0] and not (names[0] == columns[1] and columns[0] in names):
        return _Layout(delimiter), False
    missing = [column for column in columns if names.count(column) != 1]
    if missing:
        raise Unreadable(f"its header must name the column {missing[0]} once: {', '.join(names)}")
    return _Layout(delimiter, len(names), *map(names.index, columns)), True


def _rows(lines: list[str], start: int, layout: _Layout, batch: Batch) -> None:
    whole, width = layout.delimiter.join(lines), layout.width
    if '"' not in whole and set(map(methodcaller("count", layout.delimiter), lines)) == {width - 1}:
        cells = whole.split(layout.delimiter)  # nearly every block of nearly every file: split once, not once a line
        batch.rows = list(zip(count(start), cells[layout.first :: width], cells[layout.second :: width]))
        return
    for number, line in enumerate(lines, start):
        if line:
            _row(line, number, layout, batch)


def _row(line: str, number: int, layout: _Layout, batch: Batch) -> None:
    try:
        cells = _cells(line, layout.delimiter)
    except csv.Error:
        batch.wrong.append(Wrong(number, "a quoted cell does not end, or goes on after its quote"))
        return
    if len(cells) == layout.width:
        batch.rows.append((number, cells[layout.first], cells[layout.second]))
    else:
        batch.wrong.append(Wrong(number, f"has {len(cells)} columns, not {layout.width}"))


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == "\t" or '"' not in line:
        return line.split(delimiter)
    return next(csv.reader([line], strict=True))
