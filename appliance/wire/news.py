"""A worker's end of HOME/run/news.sock: what happened goes to the controller, its news come back.

The controller may be away: the link is tried again each second, and log-ins go on. Must never block: outcomes that
the controller does not read are dropped, and counted.
"""

from __future__ import annotations

import logging
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from appliance import packets
from appliance.messages import (
    PACKET,
    Counters,
    FailuresSeen,
    FromController,
    Held,
    Message,
    Outcome,
    Outcomes,
    SessionRow,
    Sessions,
    WorkerHello,
    decode_from_controller,
    encode,
)
from appliance.wire.crowds import Crowds
from appliance.wire.loop import ERR, HUP, IN, OUT, READING, Loop

T = TypeVar("T")

log = logging.getLogger(__name__)

TICK: Final = 0.1  # seconds between two lots of outcomes
SOON: Final = 0.05  # seconds to the first look for a controller that was not there; then twice as long each time
LOT: Final = 400  # outcomes, failures or sessions in a packet, if they fit it: in all likelihood they do
WAITING_MOST: Final = 500  # packets that wait for a controller that does not read
KEPT_MOST: Final = 10_000  # outcomes, and failures, that wait for a controller that is away


class News:
    """The link to the controller. `hear` gets each message; `counters` is asked each second, `crowds` on changes."""

    def __init__(
        self,
        loop: Loop,
        path: Path,
        hello: WorkerHello,
        hear: Callable[[FromController], None],
        counters: Callable[[], dict[str, float]],
        crowds: Crowds,
    ) -> None:
        self.dropped = 0  # outcomes
        self._loop = loop
        self._path = path
        self._hello = hello
        self._hear = hear
        self._counters = counters
        self._crowds = crowds
        self._link: socket.socket | None = None
        self._outcomes: list[Outcome] = []
        self._failures: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._ticking = False
        self._waiting: deque[bytes] = deque()  # packets that the controller has not taken yet
        loop.each_second.append(self._second)
        crowds.call(self._soon)
        self._seek(SOON)

    # --- what happened here ---

    def happened(self, outcomes: list[Outcome]) -> None:
        """Tell of log-ins, now if the controller reads."""
        room = KEPT_MOST - len(self._outcomes)
        self.dropped += max(0, len(outcomes) - room)
        self._outcomes += outcomes[:room]
        self.flush()

    def failed(self, failures: Mapping[str, int]) -> None:
        """Tell of failed guesses, with the next log-ins."""
        mine = self._failures
        for key, count in failures.items():
            if key in mine or len(mine) < KEPT_MOST:
                mine[key] = mine.get(key, 0) + count

    def send(self, message: Message) -> bool:
        """Send one message, behind those that wait. False if the controller is away, or reads nothing any more."""
        return self._post(encode(message))

    def _post(self, packet: bytes) -> bool:
        if self._link is None or len(self._waiting) >= WAITING_MOST:
            return False
        self._waiting.append(packet)
        if len(self._waiting) == 1:
            self._pour()
        return self._link is not None

    def _pour(self) -> None:
        """Send what waits, as far as the controller reads."""
        link, waiting = self._link, self._waiting
        while link is not None and waiting:
            try:
                link.send(waiting[0], socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._loop.change(link.fileno(), READING | OUT)
                return
            except OSError:
                self._lost()
                return
            waiting.popleft()

    def answer_sessions(self, request: int, rows: Iterable[SessionRow]) -> None:
        """The sessions asked for, in as many packets as it takes."""
        left = list(rows)
        while True:
            packet, count = _fitting(partial(_sessions, request, len(left)), left)
            self._post(packet)
            del left[:count]
            if not left:
                return

    def flush(self) -> None:
        """Send what waits, as far as the controller reads."""
        self._ticking = False
        self._outcomes = self._pass_on(Outcomes, self._outcomes)
        self._failures = dict(self._pass_on(_failures, list(self._failures.items())))
        self._held = dict(self._pass_on(_held, list((self._held | self._crowds.news()).items())))
        if self._outcomes or self._failures or self._held:
            self._soon()

    def _pass_on(self, message: Callable[[list[T]], Message], items: list[T]) -> list[T]:
        """Send these, as far as the controller reads. Returns those that are left."""
        while items and not self._waiting:
            packet, count = _fitting(message, items)
            if not self._post(packet):
                break
            items = items[count:]
        return items

    def _soon(self) -> None:
        if not self._ticking and self._link is not None:
            self._ticking = True
            self._loop.after(TICK, self.flush)

    # --- the link ---

    def _second(self) -> None:
        if self._link is None:
            self._connect()
        if self._link is not None and not self._waiting:
            self.send(Counters(self._counters()))
            self.flush()

    def _seek(self, pause: float) -> None:
        """A controller that begins with us is there in a moment; one that is away is looked for each second."""
        if self._link is None:
            self._connect()
        if self._link is None and pause < 1:
            self._loop.after(pause, partial(self._seek, 2 * pause))

    def _connect(self) -> None:
        try:
            self._link = packets.connect(self._path)
        except OSError:
            return  # the next second, again
        self._loop.watch(self._link.fileno(), READING, self._ready)
        self.send(self._hello)
        self.send(Counters(self._counters()))  # where a controller that just began counts on from
        self._held.clear()
        self._crowds.begin()

    def _ready(self, events: int) -> None:
        assert self._link is not None
        if events & OUT:
            self._loop.change(self._link.fileno(), READING)
            self._pour()
            if events == OUT or self._link is None:
                return
        received = packets.receive(self._link) if events & IN else (b"", [])
        if received is None:
            return
        packet, _ = received
        if not packet or events & (HUP | ERR):
            self._lost()
            return
        try:
            message = decode_from_controller(packet)
        except msgspec.DecodeError:
            return  # of a newer release: not for us
        self._hear(message)

    def _lost(self) -> None:
        link, self._link = self._link, None
        self._waiting.clear()
        self._crowds.alone()
        if link is not None:
            self._loop.discard(link.detach())


def _fitting(message: Callable[[list[T]], Message], items: list[T]) -> tuple[bytes, int]:
    """A packet with the first of these, and how many. Texts of strangers are short in most cases; bounded in all."""
    count = min(LOT, len(items))
    while len(packet := encode(message(items[:count]))) > PACKET and count > 1:
        count //= 2
    return packet, count


def _failures(seen: list[tuple[str, int]]) -> FailuresSeen:
    return FailuresSeen(dict(seen))


def _held(counts: list[tuple[str, int]]) -> Held:
    return Held(dict(counts))


def _sessions(request: int, of: int, rows: list[SessionRow]) -> Sessions:
    return Sessions(request, rows, more=len(rows) < of)
