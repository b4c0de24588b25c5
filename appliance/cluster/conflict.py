"""The sentence of a conflict: which row, whose change, when and what."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from appliance.cluster.log import Op
from db import audit


class Conflict(Exception):  # noqa: N818 - a fact, not an error of ours
    """An entry was based on what is no longer so. The text is for people."""


def met(connection: sqlite3.Connection, op: Op, rev: int) -> str:
    """Why an op cannot be: its row has revision `rev` (0 = there is none) now."""
    label = " ".join(str(part) for part in (op.key.get("kind", op.table.replace("_", " ")), *_names(op)) if part)
    if not rev:
        return f"{label} is not there any more"
    if op.if_rev == 0:
        return f"{label} exists already{author(connection, rev)}"
    return f"{label} was changed meanwhile{author(connection, rev)}"


def author(connection: sqlite3.Connection, revision: int) -> str:
    """ ": by NAME (ORIGIN) at TIME: WHAT" of a revision; empty when the record is gone."""
    record = audit.get(connection, revision)
    if record is None:
        return ""
    when = datetime.fromtimestamp(record.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f": by {record.by} ({record.origin}) at {when}: {record.what}"


def _names(op: Op) -> list[str]:
    return [str(value) for name, value in op.key.items() if name != "kind"]
