"""Tables as text: CSV (RFC 4180) and TSV (IANA text/tab-separated-values).

Two columns in the order asked for; or a first line whose first cell is the first column's name is a header, and then
any order and further columns are fine. A record is one line: a quoted cell cannot hold a line end, so that one stray
quote spoils one line and not the rest of the file. Empty lines are skipped.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator

import msgspec

from appliance.control.formats.lines import Batch, Source, Unreadable, Wrong, blocks, text

Split = Callable[[str], list[str]]


def read_csv(source: Source, columns: tuple[str, str]) -> Iterator[Batch]:
    """Batches of a CSV file. Raises Unreadable for a header without one of the columns."""
    return _read(source, columns, _csv_cells)


def read_tsv(source: Source, columns: tuple[str, str]) -> Iterator[Batch]:
    """Batches of a TSV file, which has no quoting. Raises Unreadable as `read_csv` does."""
    return _read(source, columns, _tsv_cells)


class _Layout(msgspec.Struct):
    """Which cells of a line are ours, and how many a line has."""

    split: Split
    width: int
    first: int = 0
    second: int = 1


def _read(source: Source, columns: tuple[str, str], split: Split) -> Iterator[Batch]:
    layout: _Layout | None = None
    for block in blocks(source.file):
        batch = Batch(block.done)
        lines = text(block, batch.wrong)
        if block.first == 1:
            lines[0] = lines[0].removeprefix("\ufeff")
        if layout is None and (at := next((at for at, line in enumerate(lines) if line), None)) is not None:
            layout, is_header = _layout(lines[at], columns, split)
            lines[at] = "" if is_header else lines[at]
        if layout is not None:
            _rows(lines, block.first, layout, batch)
        batch.wrong.sort(key=lambda wrong: wrong.line)
        yield batch


def _layout(line: str, columns: tuple[str, str], split: Split) -> tuple[_Layout, bool]:
    """Of the first line that has something; and whether it is a header."""
    try:
        names = [cell.strip().lower() for cell in split(line)]
    except csv.Error:
        names = [""]  # told as a wrong line when it is read as one
    if names[0] not in columns[:1] and not (names[0] == columns[1] and columns[0] in names):
        return _Layout(split, width=2), False
    missing = [column for column in columns if names.count(column) != 1]
    if missing:
        raise Unreadable(f"its header must name the column {missing[0]} once: {', '.join(names)}")
    return _Layout(split, len(names), names.index(columns[0]), names.index(columns[1])), True


def _rows(lines: list[str], start: int, layout: _Layout, batch: Batch) -> None:
    split, width, first, second = layout.split, layout.width, layout.first, layout.second
    add = batch.rows.append
    for number, line in enumerate(lines, start):
        if not line:
            continue
        try:
            cells = split(line)
        except csv.Error:
            batch.wrong.append(Wrong(number, "a quoted cell does not end, or goes on after its quote"))
            continue
        if len(cells) == width:
            add((number, cells[first], cells[second]))
        else:
            batch.wrong.append(Wrong(number, f"has {len(cells)} columns, not {width}"))


def _csv_cells(line: str) -> list[str]:
    return line.split(",") if '"' not in line else next(csv.reader([line], strict=True))


def _tsv_cells(line: str) -> list[str]:
    return line.split("\t")
