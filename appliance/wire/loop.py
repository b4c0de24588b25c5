"""The event loop of one worker: one level-triggered epoll set, one thread, nothing above it.

A batch of events has three phases: handlers read and think; what they want sent, or connected, goes out, back to
back; what they gave up is closed. Sending is long work of the kernel's: done in between it would push the interpreter
out of the caches each time, and wake each peer anew (a log-in costs a sixth more so).

Must never block but in epoll_wait, and must never close a descriptor within a batch of events: its number could be
given out again at once, and the new one would get the old one's event. Descriptors are plain numbers; handlers lie
in a list by number. A handler that raises ends its own session, nothing else.
"""

from __future__ import annotations

import heapq
import logging
import os
import select
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Final

log = logging.getLogger(__name__)

IN: Final = select.EPOLLIN
OUT: Final = select.EPOLLOUT
RDHUP: Final = select.EPOLLRDHUP
HUP: Final = select.EPOLLHUP
ERR: Final = select.EPOLLERR
READING: Final = IN | RDHUP  # what a connection that is read from is watched for
BATCH: Final = 256  # events taken at once

Handler = Callable[[int], None]  # is told the events
Callback = Callable[[], object]


class Loop:
    """Readiness, timers and wake-ups. `now` is the monotonic time at which the present batch began, in seconds."""

    def __init__(self) -> None:
        self.now = monotonic()
        self.handlers: list[Handler | None] = [None] * 1024
        self.each_second: list[Callback] = []
        self.outgoing: list[Callback] = []  # called at the end of the batch, in order: they send, or connect
        self._epoll = select.epoll()
        self._discarded: list[int] = []
        self._timers: list[tuple[float, int, Callback]] = []
        self._order = 0
        self._second = self.now + 1
        self._called: deque[Callback] = deque()
        self._running = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.watch(self._wake, IN, self._woken)

    # --- descriptors ---

    def watch(self, fd: int, mask: int, handler: Handler) -> None:
        """Call `handler` with the events of `fd` that `mask` asks for (errors and hang-ups always)."""
        try:
            self.handlers[fd] = handler
        except IndexError:
            self.handlers.extend([None] * (fd + 1024 - len(self.handlers)))
            self.handlers[fd] = handler
        self._epoll.register(fd, mask)

    def change(self, fd: int, mask: int) -> None:
        """Ask for other events."""
        self._epoll.modify(fd, mask)

    def suspend(self, fd: int) -> None:
        """Take a descriptor out of the set, without its handler: not even a hang-up is told. `change` cannot do it."""
        self._epoll.unregister(fd)

    def resume(self, fd: int, mask: int) -> None:
        """Put a suspended descriptor back."""
        self._epoll.register(fd, mask)

    def forget(self, fd: int) -> None:
        """Stop watching a descriptor that stays open, here or in another process."""
        self.handlers[fd] = None
        with suppress(OSError):  # it was suspended
            self._epoll.unregister(fd)

    def discard(self, fd: int) -> None:
        """Close `fd` at the end of this batch; no more of its events are told."""
        if fd < len(self.handlers):
            self.handlers[fd] = None
        self._discarded.append(fd)

    # --- time ---

    def after(self, seconds: float, callback: Callback) -> None:
        """Call back once, `seconds` from now, never early by more than a batch lasts."""
        self._order += 1
        heapq.heappush(self._timers, (self.now + seconds, self._order, callback))

    def call(self, callback: Callback) -> None:
        """Call back soon, in the loop's thread. The only method that other threads may use."""
        self._called.append(callback)
        os.eventfd_write(self._wake, 1)

    # --- running ---

    def run(self) -> None:
        """Serve until `stop`."""
        self._running = True
        while self._running:
            self.turn()

    def stop(self) -> None:
        """Leave `run` after this batch."""
        self._running = False

    def turn(self) -> None:
        """One batch of events, and what is due."""
        due = self._timers[0][0] if self._timers else self._second
        events = iter(self._epoll.poll(max(0.0, min(due, self._second) - self.now), BATCH))
        self.now = monotonic()
        while not self._dispatch(events):
            pass
        if self.now >= due or self.now >= self._second:
            self._tell_time()
        if self.outgoing:
            self._send()
        if self._discarded:
            self._close_discarded()

    def _dispatch(self, events: object) -> bool:
        """True when all are told; false when a handler failed, and its owner was told so."""
        handlers = self.handlers
        fd = -1
        try:
            for fd, mask in events:  # type: ignore[attr-defined]
                handler = handlers[fd]
                if handler is not None:
                    handler(mask)
        except Exception as error:  # noqa: BLE001 - the one place where a bug is kept from the other sessions
            self._failed(handlers[fd], error)
            return False
        return True

    def _send(self) -> None:
        calls = iter(self.outgoing)  # sees what is added meanwhile
        while not self._call_each(calls):
            pass
        self.outgoing.clear()

    def _call_each(self, calls: Iterator[Callback]) -> bool:
        """As `_dispatch`."""
        call = None
        try:
            for call in calls:
                call()
        except Exception as error:  # noqa: BLE001
            self._failed(call, error)
            return False
        return True

    def _failed(self, handler: Callable[..., object] | None, error: Exception) -> None:
        log.error("a handler failed; its session ends", exc_info=error)
        abandon = getattr(getattr(handler, "__self__", None), "abandon", None)
        if abandon is not None:
            self._guarded(abandon)

    def _close_discarded(self) -> None:
        discarded, self._discarded = self._discarded, []
        for fd in discarded:
            os.close(fd)

    def _tell_time(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= self.now:
            self._guarded(heapq.heappop(timers)[2])
        if self.now >= self._second:
            self._second = self.now + 1
            for callback in self.each_second:
                self._guarded(callback)

    def _woken(self, _events: int) -> None:
        os.eventfd_read(self._wake)
        while self._called:
            self._guarded(self._called.popleft())

    def _guarded(self, callback: Callback) -> None:
        try:
            callback()
        except Exception as error:
            log.error("a callback failed", exc_info=error)
