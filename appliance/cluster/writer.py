"""The one writer of config.db on this node: appends entries to the log, applies them, answers with their verdicts."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from itertools import islice

from appliance.cluster import housekeeping
from appliance.cluster.applier import BATCH, Applier, Verdict
from appliance.cluster.locallog import LocalLog
from appliance.cluster.log import MAX_ROWS, Entry, Log, encode
from db import meta, rows


class Behind(Exception):  # noqa: N818 - a fact, not an error of ours
    """The log ends before what was applied here: it is another log, or lost entries. Nothing may be applied from it."""


class Writer:
    """Threads may share it: one change at a time."""

    def __init__(self, connection: sqlite3.Connection, log: Log | None = None) -> None:
        self._connection = connection
        self._log: Log = log or LocalLog(connection)
        self._applier = Applier(connection)
        self._lock = threading.RLock()

    def submit(self, entry: Entry) -> Verdict:
        """Append one entry and apply it. The same entry again is harmless and has the same verdict.

        Raises ValueError if the entry cannot be one, sqlite3.Error (a full disk) with nothing done.
        """
        return self.submit_many([entry])[0]

    def submit_many(self, entries: Sequence[Entry]) -> list[Verdict]:
        """Append and apply entries in order, BATCH of them in one transaction: a failure undoes no earlier batch."""
        with self._lock:
            return [
                verdict
                for start in range(0, len(entries), BATCH)
                for verdict in self._batch(entries[start : start + BATCH])
            ]

    def catch_up(self) -> int:
        """Apply what the log has and this database has not; how many entries. Raises UpgradeNeeded, Trimmed, Behind."""
        with self._lock:
            revision = meta.revision(self._connection)
            if self._log.head() < revision:
                raise Behind(f"the log ends at {self._log.head()}, this node has applied {revision}")
            return sum(len(self._applier.apply(batch)) for batch in _batches(self._log.follow(revision + 1)))

    def tidy(self, now: float) -> int:
        """Delete a piece of what nothing refers to any more; how many rows. Call it again until it answers 0."""
        with self._lock:
            return housekeeping.prune(self._connection, now)

    def _batch(self, entries: Sequence[Entry]) -> list[Verdict]:
        encoded = [(entry.id, _checked(entry)) for entry in entries]
        with self._log.together():
            return self._applier.apply([(self._log.append(*named), *named) for named in encoded])


def _checked(entry: Entry) -> bytes:
    """The octets of an entry that this release can apply. Raises ValueError: such an entry must not enter the log."""
    for op in entry.ops:
        if wrong := rows.wrong(op.table, op.key, op.row):
            raise ValueError(wrong)
    if len(entry.rows) > MAX_ROWS:
        raise ValueError(f"an entry may have {MAX_ROWS} rows, this one has {len(entry.rows)}")
    return encode(entry)


def _batches(entries: Iterator[tuple[int, str, bytes]]) -> Iterator[list[tuple[int, str, bytes]]]:
    while batch := list(islice(entries, BATCH)):
        yield batch
