"""How log-ins ended: written to node.db in batches of a second, and shown live to whoever follows.

Must never delay a worker, nor grow without bound: a disk that takes nothing costs what is beyond HELD (counted in
`lost`), a slow follower misses the oldest beyond FOLLOWED. The thread that hears of outcomes only appends to queues;
they are kept as workers packed them, and unpacked for those who ask.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from appliance import messages
from appliance.messages import Outcome, PackedOutcomes
from db import history
from db.connect import writer

EVERY: Final = 1.0  # seconds between two writes
HELD: Final = 100_000  # outcomes waiting to be written
CACHE: Final = -1024  # KiB, negative: lots are written once and hardly ever read
FOLLOWED: Final = 10_000  # outcomes waiting for one follower

log = logging.getLogger("postern.control")


class Wanted:
    """Which outcomes: each filter empty or exact; `outcome` is "ok", "refused", or one refusal's name."""

    def __init__(self, user: str = "", service: str = "", outcome: str = "") -> None:
        self.user, self.service, self.outcome = user, service, outcome

    def has(self, one: Outcome) -> bool:
        """Whether this one is wanted."""
        if (self.user and one.user != self.user) or (self.service and one.service != self.service):
            return False
        if self.outcome == "refused":
            return bool(one.refusal)
        return self.outcome in ("", one.refusal or "ok")


class Follower:
    """Outcomes as they come, for one reader in a thread of its own."""

    def __init__(self) -> None:
        self._waiting: deque[Outcome] = deque(maxlen=FOLLOWED)
        self._news = threading.Event()

    def hear(self, outcomes: Sequence[Outcome]) -> None:
        """More came."""
        self._waiting.extend(outcomes)
        self._news.set()

    def take(self, seconds: float) -> list[Outcome]:
        """What came since the last call; waits for the first, `seconds` at most."""
        self._news.wait(seconds)
        self._news.clear()
        return [self._waiting.popleft() for _ in range(len(self._waiting))]


class History:
    """The log-ins of this node, past and present."""

    def __init__(self, path: Path) -> None:
        self._connection = writer(path)
        self._connection.execute(f"PRAGMA cache_size = {CACHE}")
        self._waiting: deque[tuple[int, bytes]] = deque()  # lots: how many, packed
        self._heard = self._unheard = 0  # outcomes: taken up, and beyond HELD; changed where they are heard of
        self._taken = self._unwritten = 0  # off the queue, and of these, what the disk did not take; by `_writing`
        self._writing = threading.Lock()
        self._followers: list[Follower] = []  # replaced as a whole: who hears of outcomes takes no lock
        self._following = threading.Lock()
        self._stop = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Outcomes that are missing from the history."""
        return self._unheard + self._unwritten

    def hear(self, packed: PackedOutcomes) -> None:
        """Called from one thread, as workers report. Raises msgspec.DecodeError if these are no outcomes."""
        count, lot = messages.count(packed), bytes(packed.outcomes)
        if self._followers:
            outcomes = messages.unpack(lot)
            for follower in self._followers:
                follower.hear(outcomes)
        if self._heard - self._taken >= HELD:
            self._unheard += count
        elif count:
            self._heard += count
            self._waiting.append((count, lot))
            self._news.set()

    def recent(self, wanted: Wanted, limit: int) -> list[Outcome]:
        """The latest log-ins, oldest first; those of this moment included. Raises sqlite3.Error."""
        self.flush()
        with self._writing:
            return recent(self._connection, wanted, limit)

    @contextmanager
    def follow(self) -> Iterator[Follower]:
        """Hear of everything from now on."""
        follower = Follower()
        with self._following:
            self._followers = [*self._followers, follower]
        try:
            yield follower
        finally:
            with self._following:
                self._followers = [one for one in self._followers if one is not follower]

    def flush(self) -> None:
        """Write what waits. A disk that does not take it costs the batch, never the node."""
        with self._writing:
            lots = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not lots:
                return
            many = sum(count for count, _ in lots)
            self._taken += many
            try:
                history.add(self._connection, lots)
            except sqlite3.Error as error:
                self._unwritten += many
                log.error("%d log-ins are missing from the history: %s", many, error)

    def close(self) -> None:
        """Write what waits, then let go of the database."""
        self._stop.set()
        self._news.set()
        self._thread.join(5)
        self.flush()
        self._connection.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._news.wait()
            self._stop.wait(EVERY)
            self._news.clear()
            self.flush()


def recent(connection: sqlite3.Connection, wanted: Wanted, limit: int) -> list[Outcome]:
    """The latest log-ins that are wanted, oldest first. Raises sqlite3.Error."""
    found: list[Outcome] = []
    with closing(history.newest_first(connection)) as lots:
        for lot in lots:
            found += [one for one in reversed(_unpacked(lot)) if wanted.has(one)]
            if len(found) >= limit:
                break
    return found[:limit][::-1]


def _unpacked(lot: bytes) -> Sequence[Outcome]:
    """The outcomes of a lot; none of one that cannot be read: the others can."""
    try:
        return messages.unpack(lot)
    except msgspec.DecodeError as error:
        log.error("some log-ins of the history cannot be read: %s", error)
        return ()
