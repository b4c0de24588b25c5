"""Who is connected and has not logged in: few per address, a share of all; the oldest give way.

Must never refuse somebody new for the sake of somebody silent: a flood of silent connections pushes itself out.
An address is an IPv4 address or an IPv6 /64, and counts over all workers; each worker has its own part of all places.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import Final, Protocol

from appliance.wire.crowds import Crowd

CACHED: Final = 4096
PREFIX: Final = 8  # octets of an IPv6 address that one client is commonly given


class Waiting(Protocol):
    """A connection that has not logged in."""

    @property
    def origin(self) -> str:
        """What it is counted under, from `origin()`."""

    def tick(self, now: float) -> None:
        """Once a second: see whether it has waited too long. `now` is monotonic."""

    def evict(self, limit: str = "") -> None:
        """Say farewell and close, because of a limit of this name; leaves the room by itself."""


def origin(ip: str) -> str:
    """What connections from `ip` are counted under."""
    return ip if ":" not in ip else _network(ip)


@lru_cache(CACHED)
def _network(ip: str) -> str:
    prefix = socket.inet_pton(socket.AF_INET6, ip.partition("%")[0])[:PREFIX]
    return f"{socket.inet_ntop(socket.AF_INET6, prefix.ljust(16, bytes(1)))}/{8 * PREFIX}"


class WaitingRoom:
    """The unauthenticated connections of a worker, oldest first."""

    def __init__(self) -> None:
        self.all: dict[Waiting, None] = {}
        self._by_origin: dict[str, dict[Waiting, None]] = {}
        self._per_address = self._total = 0
        self.crowd = Crowd(self._by_origin, len)
        self.crowd.told = self._thin

    def bound(self, per_address: int, total: int) -> None:
        """So many of an address, at all workers together (see Crowd.bound); so many of all, here."""
        self._per_address, self._total = per_address, total

    def enter(self, one: Waiting) -> None:
        """Let `one` in. Where it is one too many, the oldest of its address, or of all, is evicted."""
        who, crowd = one.origin, self.crowd
        neighbours = self._by_origin.setdefault(who, {})
        neighbours[one] = None
        self.all[one] = None
        if len(neighbours) >= crowd.share or who in crowd.others:
            crowd.changed(who)
            self._thin(who)
        if len(self.all) > self._total:
            self.evict_oldest("preauth_share")

    def leave(self, one: Waiting) -> None:
        """It logged in or ended."""
        if one in self.all:
            del self.all[one]
            who = one.origin
            neighbours = self._by_origin[who]
            del neighbours[one]
            if not neighbours:
                del self._by_origin[who]
            if who in self.crowd.others:
                self.crowd.changed(who)

    def evict_oldest(self, limit: str) -> bool:
        """Make room. False: nobody is waiting."""
        for oldest in self.all:
            oldest.evict(limit)
            return True
        return False

    def _thin(self, who: str) -> None:
        """Evict this worker's part of those that an address has too many, its oldest; never the last that came."""
        neighbours = self._by_origin.get(who, {})
        total = len(neighbours) + self.crowd.others.get(who, 0)
        if neighbours and total > self._per_address:
            keep = max(self._per_address * len(neighbours) // total, 1)
            for oldest in list(neighbours)[: len(neighbours) - keep]:
                oldest.evict("preauth_per_address")
