"""Deletion in pieces of what has expired: bans, audit records; and what records still refer to."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any


def bans(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Delete bans that ended before a moment; how many went."""
    query = (
        "DELETE FROM ban WHERE (scope, subject) IN"
        " (SELECT scope, subject FROM ban WHERE until > 0 AND until < ? LIMIT ?)"
    )
    return connection.execute(query, (before, limit)).rowcount


def records(connection: sqlite3.Connection, before: float, chunks_before: float, limit: int) -> int:
    """Delete audit records from before a moment, those of imports' chunks from before another; how many went."""
    query = (
        "DELETE FROM audit WHERE revision IN (SELECT revision FROM audit"
        " WHERE at < ?2 AND (at < ?1 OR kind = 'rows') LIMIT ?3)"
    )
    return connection.execute(query, (before, max(before, chunks_before), limit)).rowcount


def map_states_before(connection: sqlite3.Connection, since: float) -> Iterator[dict[str, Any]]:
    """The rows of map_state that changes since a moment replaced or removed."""
    query = "SELECT before FROM audit WHERE at >= ? AND before LIKE '%\"map_state\"%'"
    for (images,) in connection.execute(query, (since,)):
        yield from (image["row"] for image in json.loads(images) if image["table"] == "map_state" and image["row"])
