"""The node's listening sockets: opened here once, kept over the death of every role, lent out by SCM_RIGHTS.

Must never accept a connection. Each address is opened once for each worker (SO_REUSEPORT): the kernel spreads
connections, and a worker that ends loses nothing, because its successor is handed the same socket.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import Final

from appliance.messages import MAX_DESCRIPTORS, ListenerSpec
from appliance.routing.services import split

BACKLOG: Final = 4096
KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 300), (socket.TCP_KEEPINTVL, 60), (socket.TCP_KEEPCNT, 5))
ANY: Final = ("::", "0.0.0.0")  # noqa: S104 - compared with, not bound to

Place = tuple[socket.AddressFamily, tuple[str, int]]


def copies() -> int:
    """How many workers a node has: one per core it may use, or POSTERN_WORKERS."""
    wanted = os.environ.get("POSTERN_WORKERS", "")
    count = int(wanted) if wanted.isdecimal() else len(os.sched_getaffinity(0))
    return min(max(count, 1), MAX_DESCRIPTORS)


def open_socket(address: str) -> socket.socket:
    """A listening socket; options are inherited by what it accepts. Raises OSError, which names the reason only."""
    family, place = _place(address)
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option, value in KEEPALIVE:
            listener.setsockopt(socket.IPPROTO_TCP, option, value)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(place)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _place(address: str) -> Place:
    """Where "192.0.2.1:993" or "[::]:993" is. Raises ValueError."""
    host, port = split(address)
    if ":" not in host:
        return socket.AF_INET, (host, port)
    if host == "::" and not _has_ipv6():
        return socket.AF_INET, ("0.0.0.0", port)  # noqa: S104 - what the administrator wrote, without IPv6 here
    return socket.AF_INET6, (host, port)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _is_busy(address: str) -> bool:
    """Whether somebody listens there. SO_REUSEPORT would let two programs of one user share a port in silence."""
    family, place = _place(address)
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
            probe.listen(1)
        except OSError as error:
            return error.errno == errno.EADDRINUSE  # what else is wrong is told when it is opened
    return False


def _overlap(one: str, other: str) -> bool:
    """Whether a connection could come in at either address: "[::]:143" and "127.0.0.1:143"."""
    (host, port), (other_host, other_port) = split(one), split(other)
    return port == other_port and (host == other_host or host in ANY or other_host in ANY)


class Listeners:
    """All that this node listens on: `copies` sockets for each address, and `problems`: what is not to be had now."""

    def __init__(self, copies: int, open: dict[ListenerSpec, list[socket.socket]] | None = None) -> None:  # noqa: A002
        self.copies = copies
        self.open = open or {}
        self.problems: list[str] = []

    def want(self, specs: Sequence[ListenerSpec]) -> bool:
        """Open what is missing, close what is no longer wanted. True if anything changed."""
        before = self.open
        self.open = {spec: before[spec] for spec in specs if spec in before}
        idle = {spec.address: sockets for spec, sockets in before.items() if spec not in self.open}
        for spec in specs:  # the same door, serving something else: no connection in its queue is lost
            if spec not in self.open and spec.address in idle:
                self.open[spec] = idle.pop(spec.address)
        for listener in chain(*idle.values()):
            listener.close()
        self.problems = list(self._open_missing(specs, before))
        return self.open.keys() != before.keys()

    def try_out(self, specs: Iterable[ListenerSpec]) -> list[str]:
        """What of these could not be opened, and why; nothing stays open."""
        problems = []
        for spec in specs:
            if any(spec.address == other.address for other in self.open):
                continue
            try:
                self._open_copies(spec.address, self.open, 1)[0].close()
            except (OSError, ValueError) as error:
                problems.append(_problem(spec, error))
        return problems

    def of(self, services: frozenset[str]) -> tuple[list[ListenerSpec], list[socket.socket]]:
        """The specs of these services, and for each spec its copies, in order."""
        specs = [spec for spec in self.open if spec.service in services]
        return specs, [listener for spec in specs for listener in self.open[spec]]

    def _open_missing(self, specs: Sequence[ListenerSpec], before: Iterable[ListenerSpec]) -> Iterator[str]:
        for spec in specs:
            if spec in self.open:
                continue
            try:
                if holder := next((other for other in self.open if other.address == spec.address), None):
                    raise OSError(f"it serves {holder.service} already")
                self.open[spec] = self._open_copies(spec.address, [*before, *self.open], self.copies)
            except (OSError, ValueError) as error:
                yield _problem(spec, error)

    def _open_copies(self, address: str, ours: Iterable[ListenerSpec], number: int) -> list[socket.socket]:
        # What a worker has not let go of yet, or still serves beside this one, is not another program.
        if not any(_overlap(address, own.address) for own in ours) and _is_busy(address):
            raise OSError("another program listens there")
        with ExitStack() as opened:
            sockets = [opened.enter_context(open_socket(address)) for _ in range(number)]
            opened.pop_all()
        return sockets


def _problem(spec: ListenerSpec, error: Exception) -> str:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return f"cannot listen on {spec.address} for {spec.service}: {reason}"
