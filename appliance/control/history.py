"""How log-ins ended: written to node.db in batches of a second, and shown live to whoever follows.

Must never delay a worker, nor grow without bound: a disk that takes nothing costs what is beyond HELD (counted in
`lost`), a slow follower misses the oldest beyond FOLLOWED. The thread that hears of outcomes only appends to queues.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from appliance.messages import Outcome
from db import history
from db.connect import writer

EVERY: Final = 1.0  # seconds between two writes
HELD: Final = 100_000  # outcomes waiting to be written
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
        self._waiting: deque[Outcome] = deque()
        self._writing = threading.Lock()
        self._followers: list[Follower] = []  # replaced as a whole: who hears of outcomes takes no lock
        self._following = threading.Lock()
        self._stop = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()
        self.lost = 0

    def hear(self, outcomes: Sequence[Outcome]) -> None:
        """Called from one thread, as workers report."""
        if len(self._waiting) < HELD:
            self._waiting.extend(outcomes)
        else:
            self.lost += len(outcomes)
        for follower in self._followers:
            follower.hear(outcomes)
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
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not batch:
                return
            try:
                history.add(self._connection, map(_row, batch))
            except sqlite3.Error as error:
                self.lost += len(batch)
                log.error("%d log-ins are missing from the history: %s", len(batch), error)

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
    rows = history.recent(
        connection, user=wanted.user, service=wanted.service, outcome=wanted.outcome, limit=limit
    )
    found = [Outcome(**{name: getattr(row, name) for name in Outcome.__struct_fields__}) for row in rows]
    return found[::-1]


def _row(one: Outcome) -> tuple[Any, ...]:
    return (
        one.at, one.session, one.service, one.user, one.client,
        one.backend, one.source, one.refusal, one.why, one.ms,
    )  # fmt: skip
