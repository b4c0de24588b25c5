"""A session after log-in: two flows, what `session list` shows of it, and how it ends.

All else of the log-in is gone: generator, buffers, credentials. Must never keep a timer: who is idle is found by
looking at the counts now and then.
"""

from __future__ import annotations

import os
from contextlib import suppress

from msgspec import Struct

from appliance.messages import Outcome, SessionRow
from appliance.wire.flow import Flow
from appliance.wire.leg import Leg
from appliance.wire.shared import Shared
from appliance.wire.splice import SpliceFlow
from appliance.wire.tlsflow import TlsFlow


class Relay(Struct, eq=False):
    """Both directions of one session."""

    shared: Shared
    id: str
    user: str
    service: str
    client: str  # its address
    origin: str  # what that is counted under
    backend: str  # its name
    since: float  # seconds since the epoch
    farewell: bytes  # what the client is told when the session is ended from here
    up: Flow
    down: Flow
    quiet_since: float  # on the loop's clock
    moved: int = 0  # octets, when they were counted last
    limit: float = 0.0  # seconds of silence it may last; 0: as configured
    over: bool = False

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
        if self.down.kept:
            self.down.pass_on()
        if self.over:
            return  # by that
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
        for flow in (down, up):
            if flow.kept:
                flow.pass_on()
                flow.kept = b""
        del shared.relays[self.id]
        shared.crowds.address.remove(self.origin)
        shared.crowds.account.remove(self.user)
        up.let_go()
        down.let_go()
        shared.loop.discard(up.fd)
        shared.loop.discard(down.fd)
        octets = shared.octets[self.service]
        octets[0] += up.octets
        octets[1] += down.octets
        del up.twin, down.twin, self.up, self.down  # no cycle is left for the collector


def begin(shared: Shared, outcome: Outcome, origin: str, farewell: bytes, client: Leg, backend: Leg) -> None:
    """From here on the two sides are a pipe. What was read but not consumed goes first, once and in order."""
    up, down = _flows(client, backend)
    relay = Relay(
        shared,
        outcome.session,
        outcome.user,
        outcome.service,
        outcome.client,
        origin,
        outcome.backend,
        outcome.at,
        farewell,
        up,
        down,
        shared.loop.now,
    )
    up.relay = down.relay = shared.relays[outcome.session] = relay
    up.twin, down.twin = down, up
    shared.crowds.address.add(origin)
    shared.crowds.account.add(outcome.user)
    handlers = shared.loop.handlers
    handlers[up.fd] = up.ready
    handlers[down.fd] = down.ready
    welcome = client.due()
    if client.settled() and backend.settled():
        down.later(welcome)  # the store's event brought us here: it is not read again in this batch
    else:
        _catch_up(relay, welcome, client, backend)


def _flows(client: Leg, backend: Leg) -> tuple[Flow, Flow]:
    if client.tls is None and backend.tls is None:
        return SpliceFlow(client.fd, backend.fd), SpliceFlow(backend.fd, client.fd)
    up, down = TlsFlow(client.fd, backend.fd), TlsFlow(backend.fd, client.fd)
    up.opener = down.sealer = client.tls
    up.sealer = down.opener = backend.tls
    return up, down


def _catch_up(relay: Relay, welcome: bytes, client: Leg, backend: Leg) -> None:
    """One side is not as usual: it has octets on their way, is not read, or is gone."""
    up, down = relay.up, relay.down
    if client.broken or backend.broken:
        down.kept = welcome
        relay.close()
        return
    up.take_over(client)
    down.take_over(backend)
    down.start(welcome, backend.inbox)
    if not relay.over:
        up.start(backend.due(), client.inbox)
