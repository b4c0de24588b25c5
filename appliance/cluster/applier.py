"""Applies log entries to config.db: in order, each once, all of it or nothing, the same on every node.

An entry's verdict is done, or conflict: then nothing of it was done, and its record says whose change it met.
Must never skip an entry that it cannot read, and never look at a clock, the network or another node.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from appliance.cluster import imports
from appliance.cluster.conflict import Conflict, met
from appliance.cluster.log import Entry, UpgradeNeeded, decode
from db import audit, meta, rows
from db.audit import Image
from db.connect import transaction

BATCH: Final = 64
Logged = tuple[int, str, bytes]


class Verdict(Struct, frozen=True):
    """What became of an entry. `conflict`: empty, or whose change and what."""

    revision: int
    done: bool
    conflict: str = ""


class Applier:
    """Applies entries on a writer's connection. Keeps nothing in memory: the database says how far it is."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def apply(self, entries: Sequence[Logged]) -> list[Verdict]:
        """Apply entries in the order of their revisions; those applied before only have their verdict told again.

        Raises UpgradeNeeded at an entry of a later release, with all before it applied; sqlite3.Error with the
        batch of at most BATCH entries undone.
        """
        verdicts: list[Verdict] = []
        for start in range(0, len(entries), BATCH):
            verdicts += self._batch(entries[start : start + BATCH])
        return verdicts

    def _batch(self, entries: Sequence[Logged]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        stopped: UpgradeNeeded | None = None
        with transaction(self._connection):
            progress = _Progress(self._connection)
            for logged in entries:
                try:
                    verdicts.append(self._one(progress, *logged))
                except UpgradeNeeded as error:
                    stopped = error
                    break
            progress.save()
        if stopped is not None:
            raise stopped
        return verdicts

    def _one(self, progress: _Progress, revision: int, id: str, data: bytes) -> Verdict:  # noqa: A002
        if revision <= progress.revision:
            return _told_again(audit.get(self._connection, revision) or audit.by_id(self._connection, id), revision)
        known = audit.by_id(self._connection, id)
        if known is not None:  # resent after the log had forgotten it
            progress.add(revision, data, _told_again(known, revision).done, configuration=False)
            return _told_again(known, revision)
        entry = decode(data)
        verdict, changed = self._judged(revision, entry)
        progress.add(revision, data, verdict.done, changed)
        return verdict

    def _judged(self, revision: int, entry: Entry) -> tuple[Verdict, bool]:
        """Apply one entry and record it; also whether the configuration (not only data) changed."""
        try:
            before, after = _apply(self._connection, revision, entry)
        except Conflict as conflict:
            self._record(revision, entry, str(conflict), [], _wanted(entry, revision))
            return Verdict(revision, False, str(conflict)), False
        self._record(revision, entry, "", before, after)
        return Verdict(revision, True), any(image["table"] == "object" for image in after)

    def _record(self, revision: int, entry: Entry, conflict: str, before: list[Image], after: list[Image]) -> None:
        verdict = "conflict" if conflict else "done"
        about = (entry.id, entry.at, entry.by, entry.origin, entry.what, entry.kind)
        audit.add(self._connection, audit.Record(revision, *about, verdict, conflict, before, after))


class _Progress:
    """How far the database is, carried through a batch: revision, digest, last change of the configuration."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.revision = meta.revision(connection)
        self._digest = meta.digest(connection)
        self._configuration = meta.config_revision(connection)

    def add(self, revision: int, data: bytes, done: bool, configuration: bool) -> None:
        verdict = b"done" if done else b"conflict"
        parts = (self._digest.encode(), str(revision).encode(), data, verdict)
        self._digest = hashlib.sha256(b"\0".join(parts)).hexdigest()
        self.revision = revision
        if configuration:
            self._configuration = revision

    def save(self) -> None:
        meta.put(self._connection, "revision", self.revision)
        meta.put(self._connection, "digest", self._digest)
        meta.put(self._connection, "config_revision", self._configuration)


def _told_again(record: audit.Record | None, revision: int) -> Verdict:
    """The verdict of an entry that was applied before; its record may be gone after a year."""
    if record is None:
        return Verdict(revision, True)
    return Verdict(record.revision, record.verdict == "done", record.conflict)


def _apply(connection: sqlite3.Connection, revision: int, entry: Entry) -> tuple[list[Image], list[Image]]:
    """Do what an entry says; the images before and after. Raises Conflict with nothing done."""
    if entry.kind == "ops":
        return _ops(connection, revision, entry)
    if entry.kind == "base":
        if entry.digest != meta.digest(connection):
            raise Conflict("the log begins with another state than this node's")
        return [], []
    return imports.apply(connection, revision, entry)


def _ops(connection: sqlite3.Connection, revision: int, entry: Entry) -> tuple[list[Image], list[Image]]:
    before = []
    for op in entry.ops:
        if wrong := rows.wrong(op.table, op.key, op.row):
            raise UpgradeNeeded(f"an entry of the log cannot be applied by this release: {wrong}")
        row, rev = rows.read(connection, op.table, op.key)
        if op.if_rev is not None and op.if_rev != rev:
            raise Conflict(met(connection, op, rev))
        before.append({"table": op.table, "key": op.key, "row": row, "rev": rev})
    for op in entry.ops:
        if op.row is None:
            rows.erase(connection, op.table, op.key, revision)
        else:
            rows.write(connection, op.table, op.row, revision)
    return before, _wanted(entry, revision)


def _wanted(entry: Entry, revision: int) -> list[Image]:
    return [
        {"table": op.table, "key": op.key, "row": op.row, "rev": 0 if op.row is None else revision} for op in entry.ops
    ]
