"""Deletes what nothing refers to any more, a piece at a time, so that changes need not wait for it.

Rows that entries may still be judged by must never go: their clock is the last applied entry's, not this node's,
and margins are kept, so that a node that lags judges like the others.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from db import audit, log, maps
from db import prune as pruning
from db.connect import transaction

DAY: Final = 86400.0
MARGIN: Final = DAY
AUDIT_KEPT: Final = 400 * DAY
CHUNKS_KEPT: Final = 30 * DAY
LOG_KEPT: Final = 50_000
PIECE: Final = 10_000


def prune(connection: sqlite3.Connection, now: float, piece: int = PIECE) -> int:
    """Delete up to `piece` rows of each sort: unused loads, expired bans, old records and log entries; how many."""
    with transaction(connection):
        clock = min(now, audit.latest(connection))
        return (
            _unused_loads(connection, clock, piece)
            + pruning.bans(connection, clock - MARGIN, piece)
            + pruning.records(connection, now - AUDIT_KEPT, now - CHUNKS_KEPT, piece)
            + log.trim(connection, log.head(connection) - LOG_KEPT, piece)
        )


def _unused_loads(connection: sqlite3.Connection, clock: float, piece: int) -> int:
    deleted = 0
    for load in sorted(maps.loads(connection) - referred(connection, clock)):
        deleted += maps.drop(connection, load, piece - deleted)
        if deleted >= piece:
            break
    return deleted


def referred(connection: sqlite3.Connection, clock: float) -> set[int]:
    """Loads in use, loads that an undo or a revert may go back to, and loads that an import fills."""
    used = {begun.load for begun in maps.unfinished(connection)}
    for state in maps.states(connection).values():
        used.add(state.load)
        if state.previous_until + MARGIN > clock:
            used.add(state.previous)
    for row in pruning.map_states_before(connection, clock - 7 * DAY - MARGIN):
        used |= {row["load"], row["previous"]}
    return used
