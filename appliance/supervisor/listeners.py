"""The node's listening sockets: opened here once, kept over the death of every role, lent out by SCM_RIGHTS.

Must never accept a connection. Each address is opened once for each worker (SO_REUSEPORT): the kernel spreads
connections, and a worker that ends loses nothing, because its successor is handed the same socket.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from appliance.messages import ListenerSpec

BACKLOG = 4096
KEEPALIVE = ((socket.TCP_KEEPIDLE, 300), (socket.TCP_KEEPINTVL, 60), (socket.TCP_KEEPCNT, 5))


def copies() -> int:
    """How many workers a node has: one per core it may use, or POSTERN_WORKERS."""
    return int(os.environ.get("POSTERN_WORKERS") or len(os.sched_getaffinity(0)))


def split(address: str) -> tuple[str, int]:
    """Host and port of "192.0.2.1:993", "[::]:993"."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def open_socket(address: str) -> socket.socket:
    """A listening socket; options are inherited by what it accepts. Raises OSError, which names the reason only."""
    host, port = split(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if family == socket.AF_INET6 and host == "::" and not _has_ipv6():
        family, host = socket.AF_INET, "0.0.0.0"  # noqa: S104 - what the administrator wrote, without IPv6 here
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
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _busy(address: str) -> bool:
    """Whether another program has it. SO_REUSEPORT would let two programs of one user share a port in silence."""
    host, port = split(address)
    family = socket.AF_INET6 if ":" in host and _has_ipv6() else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0" if host == "::" and family == socket.AF_INET else host, port))  # noqa: S104
            probe.listen(1)
        except OSError:
            return True
    return False


@dataclass
class Listeners:
    """All that this node listens on."""

    copies: int
    open: dict[ListenerSpec, list[socket.socket]] = field(default_factory=dict)
    problems: dict[ListenerSpec, str] = field(default_factory=dict)  # wanted, but not to be had now

    def want(self, specs: Sequence[ListenerSpec]) -> bool:
        """Open what is missing, close what is no longer wanted. True if anything changed."""
        gone = {spec.address: self.open.pop(spec) for spec in list(self.open) if spec not in specs}
        changed = bool(gone)
        self.problems = {}
        for spec in specs:
            if spec.address in gone:  # the same door, serving something else: no connection in its queue is lost
                self.open[spec] = gone.pop(spec.address)
            elif spec not in self.open:
                changed |= self._open(spec)
        for listener in (listener for sockets in gone.values() for listener in sockets):
            listener.close()
        return changed

    def _open(self, spec: ListenerSpec) -> bool:
        sockets: list[socket.socket] = []
        try:
            if _busy(spec.address):
                raise OSError("another program listens there")
            for _ in range(self.copies):
                sockets.append(open_socket(spec.address))
        except (OSError, ValueError) as error:
            for opened in sockets:
                opened.close()
            self.problems[spec] = f"cannot listen on {spec.address} for {spec.service}: {_reason(error)}"
            return False
        self.open[spec] = sockets
        return True

    def try_out(self, specs: Iterable[ListenerSpec]) -> list[str]:
        """What of these could not be opened, and why; nothing stays open."""
        addresses = {spec.address for spec in self.open}
        problems = []
        for spec in specs:
            if spec.address in addresses:
                continue
            try:
                if _busy(spec.address):
                    raise OSError("another program listens there")
                open_socket(spec.address).close()
            except (OSError, ValueError) as error:
                problems.append(f"cannot listen on {spec.address} for {spec.service}: {_reason(error)}")
        return problems

    def of(self, services: frozenset[str]) -> tuple[list[ListenerSpec], list[socket.socket]]:
        """The specs of these services, and for each spec its copies, in order."""
        specs = [spec for spec in self.open if spec.service in services]
        return specs, [listener for spec in specs for listener in self.open[spec]]


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
