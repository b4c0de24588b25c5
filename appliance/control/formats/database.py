"""A table of somebody's SQLite file. The "line" of a row is its place in the table's own order.

The file is a stranger's: it is opened read-only, no trigger, function or virtual table of its schema runs with our
trust, and only columns of one table or view are read. It must be a copy of ours, for nobody may change it meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from appliance.control.formats.lines import LONGEST, Batch, Source, Unreadable, Wrong

ROWS = 5000


def read_database(source: Source, columns: tuple[str, str]) -> Iterator[Batch]:
    """Batches of the source's table. Raises Unreadable if there is no such table, or it is no sound SQLite file."""
    assert source.path is not None, "a SQLite file is opened by its path"
    try:
        with closing(_open(source)) as connection:
            table = _table(connection, source.table)
            first, second = _columns(connection, table, columns)
            query = f"SELECT {_quoted(first)}, {_quoted(second)} FROM {_quoted(table)}"  # noqa: S608 - names quoted
            total = connection.execute(f"SELECT count(*) FROM {_quoted(table)}").fetchone()[0]  # noqa: S608
            yield from _batches(connection.execute(query), max(total, 1), source.size, columns)
    except (sqlite3.Error, UnicodeError) as error:
        raise Unreadable(f"SQLite says: {error}") from error


def _open(source: Source) -> sqlite3.Connection:
    assert source.path is not None
    connection = sqlite3.connect(f"{source.path.as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    connection.text_factory = bytes  # so that one cell that is not UTF-8 is one wrong row
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 20)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON", "cache_size = -4000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _table(connection: sqlite3.Connection, wanted: str) -> str:
    query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    names: list[str] = [name.decode() for (name,) in connection.execute(query)]
    if not wanted and len(names) == 1:
        return names[0]
    if wanted not in names:
        text = f"it has no table {wanted}" if wanted else "say which table by --table"
        raise Unreadable(f"{text}; its tables: {', '.join(names) or 'none'}")
    return wanted


def _columns(connection: sqlite3.Connection, table: str, wanted: tuple[str, str]) -> tuple[str, str]:
    names = [row[0].decode() for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    lower = [name.lower() for name in names]
    if all(lower.count(column) == 1 for column in wanted):
        return names[lower.index(wanted[0])], names[lower.index(wanted[1])]
    if len(names) == 2:
        return names[0], names[1]
    raise Unreadable(f"its table {table} has no columns {' and '.join(wanted)}: {', '.join(names)}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _batches(cursor: sqlite3.Cursor, total: int, size: int, columns: tuple[str, str]) -> Iterator[Batch]:
    read = 0
    while rows := cursor.fetchmany(ROWS):
        batch = Batch(size * min(read + len(rows), total) // total)
        for number, cells in enumerate(rows, read + 1):
            try:
                batch.rows.append((number, _text(cells[0], columns[0]), _text(cells[1], columns[1])))
            except ValueError as error:
                batch.wrong.append(Wrong(number, str(error)))
        yield batch
        read += len(rows)


def _text(cell: object, column: str) -> str:
    if not isinstance(cell, bytes):
        raise ValueError(f"{column} is no text")
    if len(cell) > LONGEST:
        raise ValueError(f"{column} is longer than {LONGEST} octets")
    try:
        text = cell.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{column} is not UTF-8") from error
    if "\0" in text:
        raise ValueError(f"{column} has a NUL octet")
    return text
