"""A connection from a load balancer, until its PROXY header has said whose it is; only then a session begins.

Must never wait longer than SECONDS, speak a word before, or go on without a header that is whole and right: the
client's address drives limits, bans and who may log in without TLS. The balancer's own address is nobody's.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Final

from appliance.edge.proxyheader import LONGEST, Header, parse
from appliance.wire.listener import Policy
from appliance.wire.loop import READING
from appliance.wire.shared import Shared

log = logging.getLogger(__name__)

SECONDS: Final = 3.0  # until the header must be there (Dovecot's haproxy_timeout)
QUIET: Final = 60.0  # seconds between two complaints of the same address
COMPLAINTS: Final = 1000  # addresses that are remembered for it

Named = Callable[["Proxied", Header, bytes], None]  # the header is there, with what the client said behind it


class Proxied:
    """One connection; `named` takes it over. It stands in `shared.proxied` until then."""

    __slots__ = ("_deadline", "_heard", "_named", "_shared", "fd", "ip", "policy", "port")

    def __init__(self, shared: Shared, policy: Policy, fd: int, ip: str, port: int, named: Named) -> None:
        self.policy = policy
        self.fd = fd
        self.ip = ip
        self.port = port
        self._shared = shared
        self._named = named
        self._heard = b""
        self._deadline = shared.loop.now + SECONDS
        shared.proxied[self] = None
        shared.loop.watch(fd, READING, self.ready)

    def ready(self, _events: int) -> None:
        """Something has come, or the other side is gone."""
        try:
            data = os.read(self.fd, LONGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._heard += data
        if not self._heard:
            self.close()  # it only looked whether somebody is here
            return
        try:
            header = parse(self._heard)
        except ValueError as error:
            self._refuse(str(error))
            return
        if header is not None:
            del self._shared.proxied[self]
            self._shared.loop.forget(self.fd)
            self._named(self, header, self._heard[header.size :])
        elif not data:
            self._refuse("the connection was closed before its end")

    def tick(self, now: float) -> None:
        """Once a second: is it time?"""
        if self._deadline <= now:
            self._refuse(f"not within {SECONDS:g} s")

    def close(self) -> None:
        """Give it up, without a word."""
        if self._shared.proxied.pop(self, self) is None:
            self._shared.loop.discard(self.fd)

    abandon = close

    def _refuse(self, why: str) -> None:
        shared, now = self._shared, self._shared.loop.now
        shared.totals[f"turned_away/{self.policy.service}/proxy_header"] += 1
        if shared.complaints.get(self.ip, 0.0) <= now:
            if len(shared.complaints) >= COMPLAINTS:
                shared.complaints.clear()
            shared.complaints[self.ip] = now + QUIET
            log.warning("no PROXY header for %s from %s port %d: %s", self.policy.service, self.ip, self.port, why)
        self.close()
