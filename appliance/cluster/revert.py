"""The ops that undo one recorded change, unless something changed those rows again since."""

from __future__ import annotations

import sqlite3

from appliance.cluster.log import Op
from db import audit, maps
from db.audit import Image


def revert(connection: sqlite3.Connection, revision: int) -> list[Op]:
    """Ops that put back the rows as they were before a revision; as an entry they conflict with any later change.

    Raises LookupError if there is no such record, ValueError (a sentence) if it changed nothing, or what it
    replaced is gone.
    """
    record = audit.get(connection, revision)
    if record is None:
        raise LookupError(f"there is no change {revision}")
    if record.verdict != "done" or not record.before:
        raise ValueError(f"change {revision} has nothing to revert: {record.conflict or 'it changed no rows'}")
    pairs = zip(record.before, record.after, strict=True)
    return [_back(connection, before, after) for before, after in pairs]


def _back(connection: sqlite3.Connection, before: Image, after: Image) -> Op:
    row = before["row"]
    if before["table"] == "map_state" and row and row["entries"] and row["load"] not in maps.loads(connection):
        raise ValueError(f"what map {row['map']} held before was kept for 7 days and is gone")
    return Op(before["table"], before["key"], row, after["rev"])
