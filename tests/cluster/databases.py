"""Databases and entries for the tests of what nodes agree on."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from appliance.cluster.applier import Verdict
from appliance.cluster.locallog import LocalLog
from appliance.cluster.log import Entry, Op, new_id, put, put_object
from appliance.cluster.writer import Writer
from db import rows
from db.connect import writer
from db.migrate import migrate

NOON = 1_800_000_000.0
REPLICATED = ("object", "account", "ban", "map_state", "map_entry", "map_import", "audit", "meta")
Rows = Sequence[tuple[str, str | None]]


def database(path: Path) -> sqlite3.Connection:
    """The writer's connection to a config.db, made if it is not there."""
    connection = writer(path)
    migrate(connection, "config")
    return connection


class DistantLog(LocalLog):
    """A log that is kept elsewhere, as a cluster's is: appended to before, and apart from, what its entries change."""

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()


def entry(*ops: Op, at: float = NOON, what: str = "a change", by: str = "ann", **fields: Any) -> Entry:
    """An entry; `fields` as of Entry."""
    return Entry(id=new_id("n1"), by=by, origin="test", at=at, what=what, ops=list(ops), **fields)


def store(name: str, host: str, if_rev: int | None = None) -> Op:
    """Put a back-end."""
    return put_object("backend", name, {"imap": f"{host}:143"}, if_rev)


def lives(address: str, backend: str | None, if_rev: int | None = None, map: str = "people") -> Op:  # noqa: A002
    """Put (or delete) an entry of a map."""
    key = {"map": map, "address": address}
    return Op("map_entry", key, None if backend is None else {**key, "backend": backend}, if_rev)


def account(address: str, password: str = "$hash", if_rev: int | None = None) -> Op:
    """Put an account."""
    return put("account", {"address": address, "password": password, "state": "on"}, ("address",), if_rev)


def importing(writer: Writer, chunks: Sequence[Rows], mode: Any = "replace", at: float = NOON) -> int:
    """Begin an import and send its chunks; the load."""
    begun = writer.submit(entry(kind="imp", step="begin", map="people", mode=mode, what="import people", at=at))
    assert begun.done
    for number, chunk in enumerate(chunks, 1):
        sent = entry(kind="rows", load=begun.revision, chunk=number, rows=list(chunk), at=at)
        assert writer.submit(sent).done
    return begun.revision


def committed(writer: Writer, load: int, chunks: int, at: float = NOON) -> Verdict:
    """Commit an import."""
    return writer.submit(entry(kind="imp", step="commit", load=load, of=chunks, what="import people", at=at))


def undone(writer: Writer, at: float = NOON) -> Verdict:
    """Undo the last import."""
    return writer.submit(entry(kind="imp", step="undo", map="people", what="undo people", at=at))


def contents(connection: sqlite3.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that must be the same on all nodes."""
    return {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in REPLICATED}


def row(connection: sqlite3.Connection, op: Op) -> dict[str, Any] | None:
    """The row that an op speaks of, as it is now."""
    return rows.read(connection, op.table, op.key)[0]
