"""Host names to addresses, asked in threads, kept for a minute; an old answer serves while there is no new one.

Must never block the loop, never ask for what is an address already, and never name an address of our own listeners:
who connected there would go round in circles.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from appliance.wire.loop import Loop
from appliance.wire.offload import Offload

KEPT: Final = 60.0  # seconds
_KNOWN_MOST: Final = 1000  # names

Address = tuple[int, tuple[str, int]]  # family, (IP address, port)
Found = list[Address] | str  # or why there is none


class Resolver:
    """Names to addresses. The callback may be called at once; with none, where all of them are ours (`is_ours`)."""

    def __init__(
        self, loop: Loop, offload: Offload, is_ours: Callable[[str, int], bool] = lambda _ip, _port: False
    ) -> None:
        self._loop = loop
        self._offload = offload
        self._is_ours = is_ours
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._asked: dict[tuple[str, int], list[Callable[[Found], None]]] = {}

    def known(self, host: str, port: int) -> list[Address] | None:
        """The addresses, if no question is needed."""
        kept = self._known.get((host, port))
        if kept is not None and kept[0] > self._loop.now:
            return kept[1]
        found = _literal(host, port)
        if found is not None:
            self._keep((host, port), found)
        return found

    def ask(self, host: str, port: int, done: Callable[[Found], None]) -> None:
        """Look the name up; several who ask for the same share one question."""
        key = (host, port)
        if key in self._asked:
            self._asked[key].append(done)
            return
        self._asked[key] = [done]
        if not self._offload(lambda: _look_up(host, port), lambda result: self._answered(key, result)):
            self._answered(key, OSError("too many names are being looked up"))

    def _answered(self, key: tuple[str, int], result: list[Address] | BaseException) -> None:
        found: Found
        if not isinstance(result, BaseException):
            found = [(family, address) for family, address in result if not self._is_ours(*address)]
            self._keep(key, found)
        elif key in self._known:
            found = self._known[key][1]  # stale, and better than none
            self._keep(key, found)
        else:
            found = f"{key[0]}: {getattr(result, 'strerror', None) or result}"
        for done in self._asked.pop(key):
            done(found)

    def _keep(self, key: tuple[str, int], found: list[Address]) -> None:
        if len(self._known) >= _KNOWN_MOST:
            self._known.clear()
        self._known[key] = (self._loop.now + KEPT, found)


def _literal(host: str, port: int) -> list[Address] | None:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return [(int(family), (host, port))]  # a plain number: an enumeration's member is slower to hand over
    return None


def _look_up(host: str, port: int) -> list[Address]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [(int(family), (str(address[0]), port)) for family, _, _, _, address in rows]
