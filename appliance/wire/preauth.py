"""Who is connected and has not logged in: few per address, a share of all; the oldest give way.

Must never refuse somebody new for the sake of somebody silent: a flood of silent connections pushes itself out.
An address is an IPv4 address or an IPv6 /64.
"""

from __future__ import annotations

import socket
from typing import Protocol


class Waiting(Protocol):
    """A connection that has not logged in."""

    @property
    def origin(self) -> str | bytes:
        """What it is counted under, from `origin()`."""

    def tick(self, now: float) -> None:
        """Once a second: see whether it has waited too long. `now` is monotonic."""

    def evict(self) -> None:
        """Say farewell and close; leaves the room by itself."""


def origin(ip: str) -> str | bytes:
    """What connections from `ip` are counted under."""
    return ip if ":" not in ip else socket.inet_pton(socket.AF_INET6, ip.partition("%")[0])[:8]


class WaitingRoom:
    """The unauthenticated connections of a worker, oldest first."""

    def __init__(self) -> None:
        self.all: dict[Waiting, None] = {}
        self._by_origin: dict[str | bytes, dict[Waiting, None]] = {}

    def enter(self, one: Waiting, per_address: int, total: int) -> None:
        """Let `one` in. Where it is one too many, the oldest of its address, or of all, is evicted."""
        neighbours = self._by_origin.setdefault(one.origin, {})
        neighbours[one] = None
        self.all[one] = None
        if len(neighbours) > per_address:
            next(iter(neighbours)).evict()
        elif len(self.all) > total:
            self.evict_oldest()

    def leave(self, one: Waiting) -> None:
        """It logged in or ended."""
        if one in self.all:
            del self.all[one]
            neighbours = self._by_origin[one.origin]
            del neighbours[one]
            if not neighbours:
                del self._by_origin[one.origin]

    def evict_oldest(self) -> bool:
        """Make room. False: nobody is waiting."""
        for oldest in self.all:
            oldest.evict()
            return True
        return False
