"""A session after log-in: two flows, what `session list` shows of it, and how it ends.

All else of the log-in is gone: generator, buffers, credentials. Must never keep a timer: who is idle is found by
looking at the counts now and then.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

from appliance.messages import Outcome, SessionRow
from appliance.wire.flow import Flow
from appliance.wire.leg import Leg
from appliance.wire.shared import Shared
from appliance.wire.splice import SpliceFlow
from appliance.wire.tlsflow import TlsFlow
from appliance.wire.tlspipe import TlsPipe

NO_LIMIT: Final = 0.0


class Relay:
    """Both directions of one session. `limit`: seconds of silence it may last, 0 for that of the configuration."""

    __slots__ = (
        "backend",
        "backend_tls",
        "client",
        "client_tls",
        "down",
        "farewell",
        "id",
        "limit",
        "loop",
        "moved",
        "over",
        "quiet_since",
        "service",
        "shared",
        "since",
        "up",
        "user",
    )

    def __init__(self, shared: Shared, outcome: Outcome, farewell: bytes, client: Leg, backend: Leg) -> None:
        self.shared = shared
        self.loop = shared.loop
        self.id = outcome.session
        self.user = outcome.user
        self.service = outcome.service
        self.client = outcome.client
        self.backend = outcome.backend
        self.since = outcome.at
        self.farewell = farewell
        self.over = False
        self.limit = NO_LIMIT
        self.moved = 0
        self.quiet_since = shared.loop.now
        self.client_tls = client.tls
        self.backend_tls = backend.tls
        self.up: Flow
        self.down: Flow
        if client.tls is None and backend.tls is None:
            self.up = SpliceFlow(self, client, backend.fd)
            self.down = SpliceFlow(self, backend, client.fd)
        else:
            self.up = up = TlsFlow(self, client, backend.fd)
            self.down = down = TlsFlow(self, backend, client.fd)
            up.opener = down.sealer = client.tls
            up.sealer = down.opener = backend.tls
        self.up.twin, self.down.twin = self.down, self.up

    def check_idle(self, now: float, idle_seconds: float) -> None:
        """End the session if it has been silent for too long."""
        moved = self.up.octets + self.down.octets
        if moved != self.moved:
            self.moved, self.quiet_since = moved, now
        elif now - self.quiet_since > (self.limit or idle_seconds):
            self.kick()

    def row(self) -> SessionRow:
        """For `session list`."""
        return SessionRow(
            self.id,
            self.user,
            self.service,
            self.client,
            self.backend,
            self.since,
            self.up.octets,
            self.down.octets,
            "relaying" if not self.limit else "relaying, one side has ended",
        )

    def kick(self) -> None:
        """Tell the client farewell, as far as it reads, and close."""
        if self.over:
            return
        if not self.down.blocked:
            with suppress(OSError):
                os.write(self.up.fd, self.down.outgoing(self.farewell))
        self.close()

    def close(self) -> None:
        """End it."""
        if self.over:
            return
        self.over = True
        shared, up, down = self.shared, self.up, self.down
        del shared.relays[self.id]
        if self.client_tls is not None and not down.blocked:
            _say_goodbye(self.client_tls, up.fd)
        if self.backend_tls is not None and not up.blocked:
            _say_goodbye(self.backend_tls, down.fd)
        for flow in (up, down):
            if flow.pipe is not None:
                flow.release()
            shared.loop.discard(flow.fd)
            flow.kept = b""
        octets = shared.octets[self.service]
        octets[0] += up.octets
        octets[1] += down.octets
        del up.twin, down.twin, self.up, self.down  # no cycle is left for the collector
        self.client_tls = self.backend_tls = None

    abandon = close


def _say_goodbye(tls: TlsPipe, fd: int) -> None:
    """close_notify (RFC 8446 6.1), if it can be had at once."""
    with suppress(OSError):
        os.write(fd, tls.farewell())


def begin(shared: Shared, outcome: Outcome, farewell: bytes, client: Leg, backend: Leg) -> None:
    """From here on the two sides are a pipe. What was read but not consumed goes first, once and in order."""
    relay = Relay(shared, outcome, farewell, client, backend)
    shared.relays[relay.id] = relay
    up, down = relay.up, relay.down
    handlers = shared.loop.handlers
    handlers[up.fd] = up.ready
    handlers[down.fd] = down.ready
    down.start(_due(client), backend.inbox)
    if not relay.over and (client.inbox or backend.outbox or client.ended or not up.reading):
        up.start(_due(backend), client.inbox)


def _due(leg: Leg) -> bytes:
    """What was queued for this side and not yet sent."""
    return leg.outbox if leg.tls is None else leg.outbox + leg.tls.take_owed()
