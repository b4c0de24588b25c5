"""What all sessions of a worker share, in one place.

Data only: must never decide anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.edge.tls import Certificates
from appliance.messages import Outcome
from appliance.terms import Service
from appliance.wire.crowds import Crowds
from appliance.wire.dial import ClientContexts
from appliance.wire.loop import Loop
from appliance.wire.ports import Admission, Protocol_
from appliance.wire.preauth import WaitingRoom
from appliance.wire.resolve import Resolver

if TYPE_CHECKING:
    from appliance.wire.proxied import Proxied
    from appliance.wire.relay import Relay


@dataclass(slots=True)
class Shared:
    """A worker, as its sessions see it."""

    loop: Loop
    admission: Admission
    certificates: Certificates
    resolver: Resolver
    protocols: Mapping[Service, Protocol_]
    farewells: Mapping[Service, bytes]  # what a client is told that is sent away before it has logged in
    hostname: str
    record: Callable[[Outcome], None]
    epoch: float  # seconds since the epoch when the monotonic clock was 0
    contexts: ClientContexts = field(default_factory=ClientContexts)
    room: WaitingRoom = field(default_factory=WaitingRoom)
    crowds: Crowds = field(init=False)
    relays: dict[str, Relay] = field(default_factory=dict)
    octets: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))  # by service: in, out
    accepted: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # connections, by service
    proxied: dict[Proxied, None] = field(default_factory=dict)  # connections whose client is yet to be named
    complaints: dict[str, float] = field(default_factory=dict)  # about PROXY headers: of whom not again until when
    totals: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # others: metric to count

    def __post_init__(self) -> None:
        self.crowds = Crowds(self.room.crowd)
