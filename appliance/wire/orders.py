"""What the parent process tells its worker over their pipe: listening sockets, drain, new certificates.

Must never go on serving without a parent: at the end of the pipe the worker drains.
"""

from __future__ import annotations

import os
import socket
from typing import Protocol

import msgspec

from appliance import packets
from appliance.messages import Drain, Listeners, ListenerSpec, ReloadCertificates, decode_from_supervisor
from appliance.wire.loop import READING, Loop

ORPHAN_SECONDS = 30.0


class Ordered(Protocol):
    """Who carries the orders out."""

    def replace_listeners(self, specs: list[ListenerSpec], descriptors: list[int]) -> None:
        """Listen on these instead."""

    def drain(self, seconds: float) -> None:
        """Accept no more, finish."""

    def reload_certificates(self) -> None:
        """Read them again."""


class Orders:
    """The worker's end of the pipe."""

    def __init__(self, loop: Loop, pipe: socket.socket, ordered: Ordered) -> None:
        self._loop = loop
        self._pipe = pipe
        self._ordered = ordered
        self._specs: list[ListenerSpec] = []
        self._descriptors: list[int] = []
        loop.watch(pipe.fileno(), READING, self.ready)

    def ready(self, _events: int) -> None:
        """A packet, or the end."""
        received = packets.receive(self._pipe)
        if received is None:
            return
        packet, descriptors = received
        if not packet:
            self._loop.discard(self._pipe.detach())
            self._ordered.drain(ORPHAN_SECONDS)
            return
        try:
            message = decode_from_supervisor(packet)
        except msgspec.DecodeError:
            for descriptor in descriptors:
                os.close(descriptor)
            return  # of a newer release: not for us
        if isinstance(message, Listeners):
            self._listen(message, descriptors)
        elif isinstance(message, Drain):
            self._ordered.drain(message.seconds)
        elif isinstance(message, ReloadCertificates):
            self._ordered.reload_certificates()

    def _listen(self, message: Listeners, descriptors: list[int]) -> None:
        """One share of each address; those of several packets belong together."""
        self._specs += message.specs
        self._descriptors += descriptors
        if not message.more:
            specs, shares = self._specs, self._descriptors
            self._specs, self._descriptors = [], []
            self._ordered.replace_listeners(specs, shares)
