"""A listening socket of a worker: accepts, and stops accepting for a moment when the node has no descriptors left.

Must never spin on a connection that cannot be accepted: it waits in the kernel's queue meanwhile.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from os import set_blocking
from typing import Any, Final

from appliance.messages import ListenerSpec
from appliance.terms import Service
from appliance.wire.dial import EXHAUSTED
from appliance.wire.loop import IN, Loop
from appliance.wire.sockets import plain_ip

log = logging.getLogger(__name__)

BURST: Final = 16  # connections accepted in one go
PAUSE: Final = 0.25  # seconds without accepting, when there are no descriptors


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says of a listener."""

    service: Service
    tls: bool  # from the first octet
    starttls: bool
    may_log_in_clear: Callable[[str], bool]  # without TLS, from this IP address
    promised: frozenset[str] = frozenset()  # capabilities of every store
    is_balancer: Callable[[str], bool] | None = None  # whose connections begin with a PROXY header; None: nobody's do


Welcome = Callable[[Policy, int, str, int], None]  # a client's descriptor, address and port


class Listener:
    """One share of a listening address."""

    def __init__(self, loop: Loop, spec: ListenerSpec, policy: Policy, fd: int, welcome: Welcome) -> None:
        self.loop = loop
        self.spec = spec
        self.policy = policy
        self.exhausted: Callable[[], object] = lambda: None  # asked to free descriptors
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(False)
        for level, option in ((socket.IPPROTO_TCP, socket.TCP_NODELAY), (socket.SOL_SOCKET, socket.SO_KEEPALIVE)):
            self._socket.setsockopt(level, option, 1)  # connections inherit them
        self._accept = self._socket._accept  # type: ignore[attr-defined]  # a number, instead of a socket object
        self._welcome = welcome
        self._fd = fd
        loop.watch(fd, IN, self.ready)

    def ready(self, _events: int) -> None:
        """Somebody connected."""
        for fd, (ip, port, *_) in self._accepted():
            try:
                self._welcome(self.policy, fd, plain_ip(ip) if ":" in ip else ip, port)
            except Exception:  # those who came with it would be lost, too
                log.exception("a connection is lost by a fault of ours")

    def _accepted(self) -> list[tuple[int, Any]]:
        accepted = []
        for _ in range(BURST):
            try:
                one = self._accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._pause(error)
                    break
                continue  # that client is gone already (accept(2), "Error handling")
            set_blocking(one[0], False)
            accepted.append(one)
        return accepted

    def _pause(self, error: OSError) -> None:
        log.warning("cannot accept on %s for now: %s", self.spec.address, error.strerror)
        self.exhausted()
        self.loop.change(self._fd, 0)
        self.loop.after(PAUSE, self._go_on)

    def _go_on(self) -> None:
        if self._fd >= 0:
            self.loop.change(self._fd, IN)

    def close(self) -> None:
        """Give this share up. Other processes may hold the same socket, so the set must be told, too."""
        self.loop.forget(self._fd)
        self._socket.close()
        self._fd = -1
