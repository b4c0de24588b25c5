"""The parent of the session workers, as the supervisor's role: asks for the listening sockets, says that it lives.

Must never serve a session itself, nor go on without a supervisor: nobody would hand its sockets to a successor.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from typing import Final

import msgspec

from appliance import messages, packets
from appliance.home import Home
from appliance.sdnotify import notify
from appliance.sessions.compose import drain_seconds
from appliance.sessions.crew import Crew, say

TICK: Final = 1.0
SEEK_SECONDS: Final = 0.5  # between two tries to find the supervisor
ORPHAN_SECONDS: Final = 10  # without one that systemd may start again


class Parent:
    """Has workers serve the listening sockets that the supervisor lends."""

    def __init__(self, home: Home, instance: str) -> None:
        self.home = home
        self.instance = instance
        self.crew = Crew(home, instance, self._let_go)
        self.link: socket.socket | None = None
        self.arriving: tuple[list[messages.ListenerSpec], list[int]] = ([], [])
        self.announced = False
        self.orphaned = False
        self.begotten_by = os.getppid()
        self.alone_since = time.monotonic()
        self.alive_at = 0.0
        self.wake, self.notified = socket.socketpair()
        for end in (self.wake, self.notified):
            end.setblocking(False)

    def run(self) -> int:
        """Until drained. Returns the exit status; 1 for want of a supervisor: systemd tries again."""
        signal.set_wakeup_fd(self.notified.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while not self.crew.draining or self.crew.members:
            self._turn()
        return int(self.orphaned)

    def _turn(self) -> None:
        poll = select.poll()
        for end in filter(None, (self.wake, self.link)):
            poll.register(end, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(self._pause(time.monotonic()) * 1000)}
        if self.wake.fileno() in ready and signal.SIGTERM in self.wake.recv(64):
            self.crew.drain(drain_seconds(self.home))
        if self.link is not None and self.link.fileno() in ready:
            self._hear(self.link)
        self._tick(time.monotonic())

    def _pause(self, now: float) -> float:
        return min(TICK if self.link is not None else SEEK_SECONDS, self.crew.pause(now))

    def _tick(self, now: float) -> None:
        self.crew.tick(now)
        if self.link is None:
            self._find_supervisor(now)
        elif now >= self.alive_at:
            self._say(messages.Alive())
            self.alive_at = now + TICK
        if not self.announced and self.link is not None and self.crew.serves():
            self.announced = self._say(messages.Ready())
            notify("READY=1")

    # --- the supervisor ---------------------------------------------------------------------------------------

    def _find_supervisor(self, now: float) -> None:
        if self.crew.draining:
            return
        if os.getppid() != self.begotten_by or now - self.alone_since > ORPHAN_SECONDS:
            self.orphaned = True  # the supervisor that begot us is dead, and its successor begets others
            self.crew.drain(drain_seconds(self.home))
            return
        try:
            self.link = packets.connect(self.home.supervisor_sock)
        except OSError:
            return
        self.announced = False
        self._say(messages.Hello("sessions", self.instance, os.getpid()))

    def _say(self, message: messages.Message) -> bool:
        return self.link is not None and packets.send(self.link, message)

    def _hear(self, link: socket.socket) -> None:
        received = packets.receive(link)
        if received is None:
            return
        packet, descriptors = received
        if not packet:
            self._lost(link)
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
            self.crew.drain(message.seconds)
        elif isinstance(message, messages.ReloadCertificates):
            self.crew.reload_certificates()

    def _lost(self, link: socket.socket) -> None:
        link.close()
        _close(self.arriving[1])
        self.link, self.arriving, self.alone_since = None, ([], []), time.monotonic()

    def _lent(self, message: messages.Listeners, descriptors: list[int]) -> None:
        """All of the listening sockets; those of several packets belong together."""
        specs, arrived = self.arriving
        specs += message.specs
        arrived += descriptors
        if message.more:
            return
        self.arriving = ([], [])
        if len(arrived) == len(specs) * message.copies:
            self.crew.employ(specs, arrived, message.copies)
        else:  # the kernel gives no more than there is room for (unix(7), SCM_RIGHTS)
            say(f"{self.instance}: not enough descriptors for the listening sockets")
            _close(arrived)

    # --- in a new worker --------------------------------------------------------------------------------------

    def _let_go(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for end in filter(None, (self.wake, self.notified, self.link)):
            end.close()


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
