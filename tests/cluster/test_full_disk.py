"""A full disk: the change is refused, nothing of it is there, and it can be made once there is room."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appliance.cluster.locallog import LocalLog
from appliance.cluster.writer import Writer
from db import meta
from tests.cluster.databases import contents, database, entry, importing

BIG = [(f"{number:05d}" + "x" * 200, "mail1") for number in range(1000)]


def test_a_database_that_may_not_grow(node: Writer, config: sqlite3.Connection) -> None:
    load = importing(node, [BIG[:10]])
    before, head = contents(config), LocalLog(config).head()
    (pages,) = config.execute("PRAGMA page_count").fetchone()
    config.execute(f"PRAGMA max_page_count = {pages + 20}")
    chunks = [entry(kind="rows", load=load, rows=BIG) for _ in range(3)]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        node.submit_many(chunks)
    assert contents(config) == before
    assert LocalLog(config).head() == head
    config.execute("PRAGMA max_page_count = 1000000")
    assert all(verdict.done for verdict in node.submit_many(chunks))


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """The operating system refuses the write itself, in a child whose files may have 300 kB."""
    path = tmp_path / "config.db"
    with closing(database(path)) as connection:
        load = importing(Writer(connection), [BIG[:10]])
        before = contents(connection)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = refused(path, load)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with closing(database(path)) as connection:
        assert contents(connection) == before
        assert meta.revision(connection) == LocalLog(connection).head()
        assert Writer(connection).submit(entry(kind="rows", load=load, rows=BIG)).done


def refused(path: Path, load: int) -> int:
    """0 if a large change fails, a small one succeeds afterwards never happened, and reading goes on."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    connection = database(path)
    revision = meta.revision(connection)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    node = Writer(connection)
    try:
        node.submit_many([entry(kind="rows", load=load, rows=BIG) for _ in range(3)])
    except sqlite3.OperationalError:
        return 0 if meta.revision(connection) == revision and not connection.in_transaction else 2
    return 3
