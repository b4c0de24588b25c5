"""An asyncio role's link with the supervisor: what it is lent to listen on, when to drain, and a sign of life.

Must know nothing of what the role serves, and never let it go on for long without a supervisor: nobody would hand its
sockets to a successor.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from appliance import messages, packets
from appliance.home import Home
from appliance.sdnotify import notify

ALIVE_SECONDS: Final = 1.0
SEEK_SECONDS: Final = 0.5  # between two tries to find the supervisor
ORPHAN_SECONDS: Final = 10.0  # without one that systemd may start again


class Lent(NamedTuple):
    """One listening socket: ours to accept on and to close, not to shut down. Others may accept there, too."""

    service: str
    address: str
    tls: bool
    socket: socket.socket


class Duty:
    """What the supervisor wants of this role. All of it belongs to the loop's thread.

    `serve` is called with all listening sockets, in the place of those before; `drain` with the seconds that open work
    may still take. `orphaned`: drained for want of a supervisor; its exit status is then 1, and systemd tries again.
    """

    def __init__(
        self,
        home: Home,
        role: str,
        instance: str,
        serve: Callable[[list[Lent]], None],
        drain: Callable[[float], None],
    ) -> None:
        self.orphaned = False
        self._home, self._role, self._instance = home, role, instance
        self._serve, self._drain = serve, drain
        self._link: socket.socket | None = None
        self._arriving: tuple[list[messages.ListenerSpec], list[int]] = ([], [])
        self._ready = self._announced = False
        self._begotten_by = os.getppid()
        self._alone_since = time.monotonic()

    async def do(self) -> None:
        """Until cancelled, or orphaned."""
        self._loop = asyncio.get_running_loop()
        try:
            while not self.orphaned:
                if self._link is None:
                    self._find_supervisor()
                else:
                    self._say(messages.Alive())
                await asyncio.sleep(SEEK_SECONDS if self._link is None else ALIVE_SECONDS)
        finally:
            self._hang_up()

    def ready(self) -> None:
        """This role serves all that it was lent; older instances of it may drain now."""
        self._ready = True
        if not self._announced and self._link is not None:
            self._announced = True
            self._say(messages.Ready())
            notify("READY=1")

    def _find_supervisor(self) -> None:
        alone = time.monotonic() - self._alone_since
        if os.getppid() != self._begotten_by or alone > ORPHAN_SECONDS:
            self.orphaned = True  # the supervisor that begot us is dead, and its successor begets others
            self._drain(0)
            return
        try:
            self._link = packets.connect(self._home.supervisor_sock)
        except OSError:
            return
        self._announced = False
        self._loop.add_reader(self._link, self._hear)
        self._say(messages.Hello(self._role, self._instance, os.getpid()))
        if self._ready:
            self.ready()

    def _say(self, message: messages.Message) -> None:
        if self._link is not None and not packets.send(self._link, message):
            self._hang_up()

    def _hang_up(self) -> None:
        if self._link is not None:
            self._loop.remove_reader(self._link)
            self._link.close()
            self._link, self._alone_since = None, time.monotonic()
        _close(self._arriving[1])
        self._arriving = ([], [])

    def _hear(self) -> None:
        assert self._link is not None
        received = packets.receive(self._link)
        if received is None:
            return
        packet, descriptors = received
        if not packet:
            self._hang_up()
            return
        try:
            message = messages.decode_from_supervisor(packet)
        except msgspec.DecodeError:
            message = None  # of a newer release: not for us
        if isinstance(message, messages.Listeners):
            self._lent(message, descriptors)
            return
        _close(descriptors)
        if isinstance(message, messages.Drain):
            self._drain(message.seconds)

    def _lent(self, message: messages.Listeners, descriptors: list[int]) -> None:
        """All of the listening sockets; those of several packets belong together."""
        specs, arrived = self._arriving
        specs += message.specs
        arrived += descriptors
        if message.more:
            return
        self._arriving = ([], [])
        if len(arrived) != len(specs) * message.copies:  # the kernel gives no more than there is room for (unix(7))
            _close(arrived)
            self._hang_up()  # to be told everything anew
            return
        each = [spec for spec in specs for _ in range(message.copies)]
        self._serve(
            [
                Lent(spec.service, spec.address, spec.tls, socket.socket(fileno=descriptor))
                for spec, descriptor in zip(each, arrived, strict=True)
            ]
        )


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
