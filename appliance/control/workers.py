"""What the controller knows of its workers, of what it asked them, and of the stores they and the prober met.

Belongs to the loop's thread; only hub.py and prober.py use it. Must never wait, nor keep more than WAITING packets
for a worker that does not read.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
from collections import deque
from contextlib import suppress
from typing import Any, Final

import msgspec

from appliance import messages
from appliance.home import Home
from appliance.messages import BackendState, Message

WAITING: Final = 4096  # packets
PROBES: Final = 3  # whose times are kept: one slow answer is no news


class Worker:
    """One connected worker. Nameless until it said hello."""

    def __init__(self, link: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self.link = link
        self.revision = -1
        self.name = ""
        self._loop = loop
        self._waiting: deque[bytes] = deque()

    def greet(self, hello: messages.WorkerHello) -> None:
        """Now we know who it is."""
        self.name = f"{hello.role} worker {hello.slot} (pid {hello.pid})"


    def send(self, message: Message) -> bool:
        """Send a message, at once or when it reads again. False if it is gone, or has not read for too long."""
        self._waiting.append(messages.encode(message))
        if len(self._waiting) > 1:
            return len(self._waiting) <= WAITING
        try:
            self._flush()
        except OSError:
            return False
        if self._waiting:
            self._loop.add_writer(self.link, self._go_on)
        return True

    def close(self) -> None:
        """Hang up."""
        self._loop.remove_reader(self.link)
        self._loop.remove_writer(self.link)
        self.link.close()

    def _flush(self) -> None:
        with suppress(BlockingIOError):
            while self._waiting:
                self.link.send(self._waiting[0])
                self._waiting.popleft()

    def _go_on(self) -> None:
        try:
            self._flush()
        except OSError:  # gone: its reader learns of that
            self._waiting.clear()
        if not self._waiting:
            self._loop.remove_writer(self.link)


class Question:
    """Something asked of all workers, while the answers come in."""

    def __init__(self, asked: set[Worker]) -> None:
        self.open = asked
        self.answers: list[Any] = []
        self.over = asyncio.Event()
        self.done_with()

    def done_with(self, worker: Worker | None = None) -> None:
        """It has answered in full, or is gone."""
        self.open.discard(worker)
        if not self.open:
            self.over.set()


class States:
    """The last known state of each back-end's services, and since when it is known."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], tuple[BackendState, float]] = {}
        self._took: dict[tuple[str, str], deque[float]] = {}  # milliseconds

    def keep(self, state: BackendState, now: float) -> None:
        """In the place of what was known; what it offered holds until it is known to offer something else."""
        known = self._states.get((state.backend, state.service))
        if known is not None and not state.capabilities:
            state = msgspec.structs.replace(state, capabilities=known[0].capabilities)
        self._states[state.backend, state.service] = (state, now)

    def answered(self, backend: str, service: str, ms: float) -> None:
        """A probe took this long."""
        self._took.setdefault((backend, service), deque(maxlen=PROBES)).append(ms)

    def usual_ms(self, backend: str) -> float | None:
        """How long the slowest of its services takes to greet, of the last probes the one in the middle.

        None if it was never reached. Other threads may ask.
        """
        took = [sorted(took) for (of, _), took in list(self._took.items()) if of == backend]
        return max((times[len(times) // 2] for times in took if times), default=None)

    def of(self, backend: str, service: str) -> tuple[BackendState, float] | None:
        """What is known, and since when (the loop's time)."""
        return self._states.get((backend, service))

    def all(self) -> list[BackendState]:
        """Everything that is known. Other threads may ask."""
        return [state for state, _ in list(self._states.values())]

    def forget_all_but(self, wanted: set[tuple[str, str]]) -> None:
        """The configuration knows only these back-ends and services any more."""
        backends = {backend for backend, _ in wanted}
        for key in self._states.keys() - wanted:
            if key[1] or key[0] not in backends:
                del self._states[key]
        for key in self._took.keys() - wanted:
            del self._took[key]


def allowed_users(home: Home) -> frozenset[int]:
    """Whose processes may speak as a worker: root, this one, the home's owner, the sessions' own user."""
    users = {0, os.geteuid(), home.path.stat().st_uid}
    with suppress(KeyError):
        users.add(pwd.getpwnam("postern-sessions").pw_uid)
    return frozenset(users)
