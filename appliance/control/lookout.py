"""One look at the node a second, for all who watch it; every ten seconds while nobody does.

Must never cost more with many watchers than with one, nor wait for a watcher: who is slow misses what was in between.
Nothing is told that did not change.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from appliance.control.commands import traceback_without_values
from appliance.control.node import Node
from appliance.control.sight import Sight

WATCHED: Final = 1.0  # seconds between two looks
UNWATCHED: Final = 10.0
HEARTBEAT: Final = 5.0  # between two signs of life to a watcher: one that hung up is noticed by them

Topics = Mapping[str, Any]

log = logging.getLogger("postern.control")


class Lookout:
    """What the node looks like. Threads share it."""

    def __init__(self, node: Node) -> None:
        self._sight = Sight(node)
        self._node = node
        self._looking = threading.Lock()
        self._looked = -UNWATCHED
        self._revision = -1
        self._topics: dict[str, tuple[int, Any]] = {}  # replaced as a whole: a number that grows, the value
        self._news = threading.Condition()
        self._watchers = 0
        self._wake = threading.Event()
        self._over = False
        self._failed = ""  # why, the last time
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; who watches is told no more."""
        self._over = True
        self._wake.set()
        with self._news:
            self._news.notify_all()
        self._thread.join(2)

    def now(self) -> Topics:
        """Each topic, as it was a second ago at the most, and after the last change. Raises sqlite3.Error."""
        with self._looking:
            revision = self._node.hub.revision if self._node.hub else -1
            if time.monotonic() - self._looked >= WATCHED * 0.9 or revision != self._revision:
                self._tell(self._sight.topics(time.time()))
                self._looked, self._revision = time.monotonic(), revision
            return {topic: value for topic, (_, value) in self._topics.items()}

    def watch(self, topics: Sequence[str]) -> Iterator[Topics]:
        """These topics, then those that changed; nothing, every HEARTBEAT, as a sign of life. Raises sqlite3.Error."""
        told = dict.fromkeys(topics, 0)
        with self._watched():
            self.now()
            while not self._over:
                with self._news:
                    if not self._newer(told):
                        self._news.wait(HEARTBEAT)
                    newer = self._newer(told)
                told |= {topic: number for topic, (number, _) in newer.items()}
                yield {topic: value for topic, (_, value) in newer.items()}

    def _newer(self, told: Mapping[str, int]) -> dict[str, tuple[int, Any]]:
        known = self._topics
        return {topic: known[topic] for topic, number in told.items() if known[topic][0] > number}

    def _tell(self, found: Topics) -> None:
        before = self._topics
        topics = {}
        for topic, value in found.items():
            number, known = before.get(topic, (0, None))
            topics[topic] = (number, known) if number and known == value else (number + 1, value)
        with self._news:
            self._topics = topics
            if topics != before:
                self._news.notify_all()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        with self._news:
            self._watchers += 1
        self._wake.set()
        try:
            yield
        finally:
            with self._news:
                self._watchers -= 1

    def _look_again(self) -> None:
        why = ""
        try:
            self.now()
        except Exception as error:  # noqa: BLE001 - a disk that fails now, or a bug: who watches must not be left alone
            why = traceback_without_values(error)
        if why and why != self._failed:
            log.error("what goes on could not be looked at: %s", why)
        self._failed = why

    def _run(self) -> None:
        try:
            while not self._over:
                self._look_again()
                self._wake.wait(WATCHED if self._watchers else UNWATCHED)
                self._wake.clear()
        finally:
            self._node.close_reader()
