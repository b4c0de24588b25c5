"""Blocking work in a few threads: look-ups of host names, directories, password hashes.

Must never grow: a full queue says so, and the caller answers "not now". Threads start with the first piece of work,
so that none exists at the fork. Implements ports.Offload.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from appliance.wire.loop import Loop

T = TypeVar("T")


class Offload:
    """At most `threads` pieces of work at a time, at most `queue` waiting. `begin`: what each thread does first."""

    def __init__(
        self, loop: Loop, threads: int, queue: int, begin: Callable[[], object] = lambda: None
    ) -> None:
        self._loop = loop
        self._begin = begin
        self._threads = threads
        self._room = threads + queue
        self._started = 0
        self._open = 0  # accepted and not yet done; touched in the loop's thread only
        self._work: SimpleQueue[tuple[Callable[[], Any], Callable[[Any], None]]] = SimpleQueue()

    def __call__(self, work: Callable[[], T], done: Callable[[T | BaseException], None]) -> bool:
        """Run `work` in a thread, then `done(result or exception)` in the loop. False: full, not run."""
        if self._open >= self._room:
            return False
        self._open += 1
        if self._started < min(self._open, self._threads):
            self._started += 1
            threading.Thread(target=self._serve, name="offload", daemon=True).start()
        self._work.put((work, done))
        return True

    def _serve(self) -> None:
        self._begin()
        while True:
            work, done = self._work.get()
            result: Any
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - handed to whoever asked, in the loop
                result = error
            self._loop.call(partial(self._done, done, result))

    def _done(self, done: Callable[[Any], None], result: Any) -> None:
        self._open -= 1
        done(result)
