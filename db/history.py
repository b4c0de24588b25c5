"""How log-ins on this node ended, in node.db: bounded, the oldest go first. Never replicated."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from msgspec import Struct, json

from db.connect import transaction

KEPT = 100_000
_COLUMNS = "at, session, service, user, client, backend, source, refusal, why, ms"

_INSERT = f"INSERT INTO outcome ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own columns


class LogIn(Struct, frozen=True):
    """One log-in: `refusal` empty when it succeeded, `ms` per phase (admission, dial, log-in there, in all)."""

    at: float
    session: str
    service: str
    user: str
    client: str
    backend: str
    source: str
    refusal: str
    why: str
    ms: list[float]


def add(connection: sqlite3.Connection, outcomes: Iterable[tuple[Any, ...]]) -> None:
    """Remember log-ins, each a tuple of LogIn's fields in their order; forget the oldest beyond KEPT."""
    rows = [(*outcome[:-1], json.encode(outcome[-1]).decode()) for outcome in outcomes]
    with transaction(connection):
        connection.executemany(_INSERT, rows)
        connection.execute("DELETE FROM outcome WHERE id <= (SELECT MAX(id) FROM outcome) - ?", (KEPT,))


def recent(
    connection: sqlite3.Connection, *, user: str = "", service: str = "", outcome: str = "", limit: int = 100
) -> list[LogIn]:
    """The latest log-ins, newest first; `outcome` is "ok", "refused", or one refusal's name."""
    clauses, values = ["1"], list[Any]()
    for column, value in (("user", user), ("service", service)):
        if value:
            clauses.append(f"{column} = ?")
            values.append(value)
    if outcome in ("ok", "refused"):
        clauses.append("refusal = ''" if outcome == "ok" else "refusal != ''")
    elif outcome:
        clauses.append("refusal = ?")
        values.append(outcome)
    query = f"SELECT {_COLUMNS} FROM outcome WHERE {' AND '.join(clauses)} ORDER BY id DESC LIMIT ?"  # noqa: S608
    rows = connection.execute(query, (*values, limit))
    return [LogIn(*(*row[:-1], json.decode(row[-1]))) for row in rows]
