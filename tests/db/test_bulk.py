"""Many rows by few statements arrive as they would one by one."""

from __future__ import annotations

import sqlite3

import pytest

from db import bulk


@pytest.mark.parametrize("number", [0, 1, bulk.PIECE - 1, bulk.PIECE, bulk.PIECE + 1, 3 * bulk.PIECE])
def test_all_rows_arrive_in_order(number: int) -> None:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE t (load INT, name TEXT, value TEXT, rev INT)")
    rows = [(f"n{at}\0'\"", f"v{at}") for at in range(number)]
    bulk.insert(database, "INSERT INTO t VALUES", "(?1, {}, {}, ?2)", rows, (7, 9))
    assert database.execute("SELECT * FROM t ORDER BY rowid").fetchall() == [(7, *row, 9) for row in rows]


def test_the_last_of_a_key_holds() -> None:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE t (key TEXT PRIMARY KEY, value INT)")
    bulk.insert(database, "INSERT OR REPLACE INTO t VALUES", "({}, {})", [("a", 1), ("b", 2), ("a", 3)])
    assert dict(database.execute("SELECT * FROM t")) == {"a": 3, "b": 2}
