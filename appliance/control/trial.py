"""The change on trial: made, and taken back by this node at its time unless somebody says "keep".

It is written to node.db before it is made, so that neither a crash nor a restart lets it stay. One at a time. Who
keeps, who gives up and the clock may come at once: one of them has it.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from appliance.control.api import Refused
from appliance.control.node import By, Node
from db import audit, connect, trials
from db.audit import Record
from db.trials import Trial

AGAIN: Final = 5.0  # seconds until a change that could not be taken back (a port in use, a full disk) is tried again
SETTLED: Final = 2.0  # seconds that a new controller needs until it can tell everybody of a change
MARK: Final = ", on trial"  # behind the origin, in the audit: how a change is found whose controller was killed

log = logging.getLogger("postern.control")
TakeBack = Callable[[Trial], object]


class Trials:
    """The one there is, if any. Threads may share it.

    `take_back` raises Refused where it cannot be done: with a `conflict` in its value for good, else for now.
    """

    def __init__(self, node_db: Path, take_back: TakeBack) -> None:
        self._path = node_db
        self._take_back = take_back
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._trial: Trial | None = None
        self._over = False

    @property
    def current(self) -> Trial | None:
        """What is on trial now."""
        found = self._trial
        return found if found is not None and found.revision else None

    def resume(self) -> None:
        """After a restart: what was on trial is taken back in time. Raises sqlite3.Error."""
        with closing(connect.reader(self._path)) as database:
            self._trial = trials.get(database)
        if self._trial is not None:
            # A clock that was set back must not make a trial longer than it was meant to be.
            self._wait(min(max(self._trial.until - time.time(), SETTLED), self._trial.seconds))

    def close(self) -> None:
        """The controller ends; the next one goes on. Takes no lock: a change that waits for the loop may hold it."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()

    @contextmanager
    def begin(self, by: By, seconds: float, before: int) -> Iterator[Callable[[int], Trial]]:
        """Make the change inside, then call what this gives with its revision; if that is not called, there is none.

        `before`: the revision until now. Raises Refused if there is a trial.
        """
        with self._lock:
            if self._trial is not None:
                raise Refused("another change is on trial: `postern config keep` or `postern config give-up` ends that")
            trial = Trial(secrets.token_hex(4), time.time() + seconds, seconds, by.name, by.origin + MARK, before, 0)
            self._store(trial)
        try:
            yield self._made
        finally:
            with self._lock:
                if self._trial == trial:  # not made
                    self._let_go()

    def keep(self, id: str = "") -> Trial:  # noqa: A002 - the request's field
        """It stays. Raises Refused."""
        with self._lock:
            trial = self._there()
            if id and id != trial.id:
                raise Refused(f"another change is on trial by now: {trial.id}")
            self._write(trials.forget)
            self._let_go()
            return trial

    def give_up(self, take_back: TakeBack) -> Trial:
        """Take it back now, in this way. Raises Refused; then, but for a conflict, it stays on trial."""
        with self._lock:
            trial = self._there()
            self._end(trial, take_back)
            return trial

    def _there(self) -> Trial:
        if self.current is None:
            raise Refused("no change is on trial: nothing to keep or to take back")
        return self.current

    def _made(self, revision: int) -> Trial:
        with self._lock:
            assert self._trial is not None
            self._store(replace(self._trial, revision=revision))
            self._wait(max(self._trial.until - time.time(), 0.0))
            return self._trial

    def _expired(self) -> None:
        with self._lock:
            if self._trial is None or self._over:
                return
            try:
                self._end(self._trial, self._take_back)
            except Refused as refused:
                log.error("the change on trial could not be taken back: %s", refused.text)
                if self._trial is not None:
                    self._wait(AGAIN)

    def _end(self, trial: Trial, take_back: TakeBack) -> None:
        try:
            take_back(trial)
        except Refused as refused:
            if isinstance(refused.value, dict) and "conflict" in refused.value:
                self._let_go()  # a later change of the same holds
            raise
        self._let_go()

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._over:
            self._timer = threading.Timer(seconds, self._expired)
            self._timer.daemon = True
            self._timer.start()

    def _store(self, trial: Trial) -> None:
        self._write(lambda database: trials.put(database, trial))
        self._trial = trial

    def _let_go(self) -> None:
        """There is none any more. Where a full disk still has it, taking it back twice is found to be a conflict."""
        if self._timer is not None:
            self._timer.cancel()
        self._trial = None
        try:
            self._write(trials.forget)
        except Refused as refused:
            log.error("that nothing is on trial: %s", refused.text)

    def _write(self, change: Callable[[sqlite3.Connection], Any]) -> None:
        try:
            with closing(connect.writer(self._path)) as database:
                change(database)
        except sqlite3.Error as error:
            raise Refused(f"not done: the disk that holds {self._path} is full or failing ({error})") from error


def record_of(node: Node, trial: Trial) -> Record | None:
    """What the audit knows of it; None if the change was never made."""
    return audit.made_by(node.reader(), trial.before, trial.by, trial.origin)


def shown(node: Node) -> dict[str, Any] | None:
    """What is on trial now, for those who look on: {id, until, what}."""
    trial = node.trials.current if node.trials is not None else None
    record = audit.get(node.reader(), trial.revision) if trial is not None else None
    return {"id": trial.id, "until": trial.until, "what": record.what} if trial and record else None
