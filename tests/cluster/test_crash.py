"""Killed at any statement: what was acknowledged is there, nothing is half there, and the log is caught up with."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.cluster.log import Entry, Log
from appliance.cluster.writer import Writer
from db import audit, maps, meta
from tests.cluster.databases import DistantLog, account, contents, database, entry, lives, store

POINTS = [*range(1, 40, 3), *range(40, 400, 30)]  # of the statements of one run, which has more than 300


def changes() -> list[list[Entry]]:
    """Batches of entries as they are submitted: single changes, an import of two chunks, a conflict."""
    names = iter(f"id-{number}" for number in range(100))

    def made(*ops: object, **fields: object) -> Entry:
        plain = entry(*ops, **fields)  # type: ignore[arg-type]
        return Entry(**{name: getattr(plain, name) for name in plain.__struct_fields__} | {"id": next(names)})

    chunk = [(f"{number:03d}@a.test", "a") for number in range(40)]
    return [
        [made(store("a", "h", 0)), made(store("a", "h", 0))],
        [made(kind="imp", step="begin", map="people", mode="replace")],
        [made(kind="rows", load=3, rows=chunk[:20]), made(kind="rows", load=3, rows=chunk[20:])],
        [made(kind="imp", step="commit", load=3, of=2)],
        [made(account(f"{number}@a.test"), lives(f"{number}@a.test", "a")) for number in range(10)],
    ]


def run(connection: sqlite3.Connection, log: Log | None, acknowledge: Callable[[str], None]) -> None:
    """Submit it all."""
    writer = Writer(connection, log)
    writer.catch_up()
    for batch in changes():
        writer.submit_many(batch)
        for made in batch:
            acknowledge(made.id)


def killed(work: Callable[[Callable[[str], None]], None]) -> list[str]:
    """Do the work in a child that is killed in the middle of it; what it acknowledged until then."""
    receiving, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(lambda name: void(os.write(sending, f"{name}\n".encode())))
        finally:
            os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as pipe:
        acknowledged = pipe.read().split()
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return acknowledged


def void(_: int) -> None:
    """An answer that nobody needs."""


def dies_at(connection: sqlite3.Connection, statement: int) -> None:
    """This process is killed before the given statement that the connection runs."""
    left: Iterator[int] = iter(range(statement, 0, -1))

    def count(_: str) -> None:
        if next(left, 0) == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    connection.set_trace_callback(count)


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, list[tuple[object, ...]]]:
    """What the database holds when nothing happens."""
    with closing(database(tmp_path / "undisturbed.db")) as connection:
        run(connection, None, lambda _: None)
        return contents(connection)


@pytest.mark.parametrize("distant", [False, True], ids=["local-log", "distant-log"])
def test_killed_at_any_statement(
    tmp_path: Path, undisturbed: dict[str, list[tuple[object, ...]]], distant: bool
) -> None:
    deaths = 0
    for point in POINTS:
        folder = tmp_path / str(point)
        folder.mkdir()
        database(folder / "config.db").close()
        database(folder / "log.db").close()

        def work(acknowledge: Callable[[str], None], folder: Path = folder, point: int = point) -> None:
            connection, log = opened(folder, distant)
            dies_at(connection, point)
            run(connection, log, acknowledge)

        acknowledged = killed(work)
        deaths += len(acknowledged) < 16
        connection, log = opened(folder, distant)
        with closing(connection):
            Writer(connection, log).catch_up()
            sound(connection, acknowledged)
            run(connection, log, lambda _: None)
            assert contents(connection) == undisturbed
    assert deaths > len(POINTS) / 2, "the points lie within the work"


def opened(folder: Path, distant: bool) -> tuple[sqlite3.Connection, Log | None]:
    """The database, and the log where it is not part of it."""
    log = DistantLog(database(folder / "log.db")) if distant else None
    return database(folder / "config.db"), log


def sound(connection: sqlite3.Connection, acknowledged: list[str]) -> None:
    """Nothing acknowledged is missing, no import is half in."""
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert all(audit.by_id(connection, name) for name in acknowledged)
    for state in maps.states(connection).values():
        assert state.entries == maps.entries(connection, state.load) >= 40
    assert meta.revision(connection) >= len(acknowledged)
