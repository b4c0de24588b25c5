"""One worker: one process, one core, one loop; listeners, sessions, and the link to the controller.

Everything it needs comes from outside (appliance.sessions composes it). Must never touch a database, decide who is
let in, or outlive its parent by more than a drain.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from appliance.edge.proxyheader import Header
from appliance.edge.tls import Certificates
from appliance.messages import (
    BackendState,
    FailuresElsewhere,
    FromController,
    Generation,
    Held,
    Kick,
    Kicked,
    ListenerSpec,
    ListSessions,
    Outcome,
    WorkerHello,
)
from appliance.protocols.conversation import TTL
from appliance.terms import Limits, Service
from appliance.wire.census import Census
from appliance.wire.listener import Listener, Policy
from appliance.wire.logline import Log
from appliance.wire.loop import Loop
from appliance.wire.news import News
from appliance.wire.offload import Offload
from appliance.wire.orders import Orders
from appliance.wire.ports import Admission, Protocol_
from appliance.wire.proxied import Proxied
from appliance.wire.resolve import Resolver
from appliance.wire.session import Session
from appliance.wire.shared import Shared
from appliance.wire.sockets import plain_ip

log = logging.getLogger(__name__)

TICK = 0.1  # seconds between two lots of outcomes
SPARE_DESCRIPTORS = 64  # for databases, the log, the controller, pipes
RESOLVER_THREADS, RESOLVER_QUEUE = 4, 64
IDLE_SWEEP = 15  # seconds between two looks at who is idle


class Worker:
    """Serves until drained. Make it after the fork.

    `workers`: how many share this node's limits. `policy`: what the configuration says now of a listener, asked when
    it is opened and after each generation. `news_sock`: None for a worker without a controller.
    `on_generation`, `on_state`, `on_failures`: the controller's news. `failures`: the own, since it was last asked.
    `heartbeat`: called each second.
    """

    def __init__(
        self,
        loop: Loop,
        *,
        slot: int,
        instance: str,
        hostname: str,
        admission: Admission,
        certificates: Certificates,
        protocols: Mapping[Service, Protocol_],
        farewells: Mapping[Service, bytes],
        policy: Callable[[ListenerSpec], Policy],
        workers: int = 1,
        news_sock: Path | None = None,
        control: socket.socket | None = None,
        on_generation: Callable[[Generation], object] = lambda _: None,
        on_state: Callable[[BackendState], object] = lambda _: None,
        on_failures: Callable[[Mapping[str, int]], object] = lambda _: None,
        failures: Callable[[], Mapping[str, int]] = dict,
        on_certificates: Callable[[], object] = lambda: None,
        heartbeat: Callable[[], object] = lambda: None,
        counters: Callable[[], Mapping[str, float]] = dict,
        log_fd: int = 2,
    ) -> None:
        self.loop = loop
        self.admission = admission
        self.draining = False
        self._policy = policy
        self._workers = workers
        self._on_generation = on_generation
        self._on_state = on_state
        self._on_failures = on_failures
        self._failures = failures
        self._on_certificates = on_certificates
        self._listeners: list[Listener] = []
        self._log = Log(log_fd)
        self._happened: list[Outcome] = []
        self._serial = 0
        self._promises_changed = False
        self._prefix = f"{_base36(int(time.time()))}{_base36(slot)}"
        self._drain_by = float("inf")
        self._swept = loop.now
        self.shared = Shared(
            loop=loop,
            admission=admission,
            certificates=certificates,
            resolver=Resolver(loop, Offload(loop, RESOLVER_THREADS, RESOLVER_QUEUE), admission.is_ours),
            protocols=protocols,
            farewells=farewells,
            hostname=hostname,
            record=self._record,
            epoch=time.time() - time.monotonic(),
        )
        self.census = Census(self.shared)
        self._share(admission.limits)
        self.news: News | None = None
        if news_sock is not None:
            hello = WorkerHello("sessions", os.getpid(), slot, instance)
            self.news = News(
                loop, news_sock, hello, self._hear, lambda: {**self.census.totals(), **counters()}, self.shared.crowds
            )
        if control is not None:
            Orders(loop, control, self)
        loop.each_second += [heartbeat, self._second]

    # --- running ---

    def run(self) -> int:
        """Serve until drained. Returns the exit status."""
        drain = lambda: self.drain(self.admission.limits.drain_seconds)  # noqa: E731
        signal.signal(signal.SIGTERM, lambda *_: self.loop.call(drain))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.collect()
        gc.freeze()  # what lives as long as the process is not looked at again
        self.loop.run()
        self._tell()
        return 0

    def replace_listeners(self, specs: list[ListenerSpec], descriptors: list[int]) -> None:
        """Listen on these instead of those before."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        for spec, fd in zip(specs, descriptors, strict=True):
            listener = Listener(self.loop, spec, self._policy(spec), fd, self._welcome)
            listener.exhausted = partial(self.shared.room.evict_oldest, "descriptors")
            self._listeners.append(listener)
        if self.draining:
            self._stop_listening()

    def drain(self, seconds: float) -> None:
        """Accept no more; exit when the last session is gone, or after `seconds` with a farewell to each."""
        self.draining = True
        self._drain_by = min(self._drain_by, self.loop.now + seconds)
        self._stop_listening()
        self._stop_if_empty()

    def reload_certificates(self) -> None:
        """They changed: whoever composed this worker reads them again."""
        self._on_certificates()

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    def _stop_if_empty(self) -> None:
        shared = self.shared
        if self.draining and not shared.relays and not shared.room.all and not shared.proxied:
            self.loop.stop()

    def _second(self) -> None:
        now = self.loop.now
        if self.admission.limits is not self._limits:
            self._share(self.admission.limits)
        for session in list(self.shared.room.all):
            session.tick(now)
        for proxied in list(self.shared.proxied):
            proxied.tick(now)
        if now - self._swept >= IDLE_SWEEP:
            self._swept = now
            idle = self.admission.limits.idle_seconds
            for relay in list(self.shared.relays.values()):
                relay.check_idle(now, idle)
        if self.draining:
            if now >= self._drain_by:
                self._end_all()
            self._stop_if_empty()

    def _end_all(self) -> None:
        for session in list(self.shared.room.all):
            session.evict()
        for relay in list(self.shared.relays.values()):
            relay.kick()

    # --- connections ---

    def _welcome(self, policy: Policy, fd: int, ip: str, port: int) -> None:
        shared = self.shared
        shared.accepted[policy.service] += 1
        if policy.is_balancer is None or not policy.is_balancer(ip):
            self._open(policy, fd, ip, port)
        elif len(shared.proxied) >= self._most:
            self._turn_away(policy, fd, "connections")
        else:
            Proxied(shared, policy, fd, ip, port, self._named)

    def _named(self, proxied: Proxied, header: Header, early: bytes) -> None:
        """A load balancer has said whom it brings; nobody, if it came by itself."""
        ip, port = header.client or (proxied.ip, proxied.port)
        self._open(proxied.policy, proxied.fd, plain_ip(ip), port, header.hops, early)

    def _open(self, policy: Policy, fd: int, ip: str, port: int, hops: int = TTL, early: bytes = b"") -> None:
        """A session begins, or there is no room for it."""
        shared, limits = self.shared, self.admission.limits
        room = shared.room
        if limits is not self._limits:
            self._share(limits)
        if len(shared.relays) + len(room.all) >= self._most and not room.evict_oldest("connections"):
            self._turn_away(policy, fd, "connections")
            return
        self._serial = serial = self._serial + 1
        session = Session(shared, limits, policy, f"{self._prefix}{serial:x}", fd, ip, port)
        if hops < TTL:
            session.door.ttl = hops
        room.enter(session)
        session.begin(early)

    def _share(self, limits: Limits) -> None:
        """This worker's share of the node's connections, as far as the process may open descriptors for them."""
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS
        self._limits = limits
        self._most = max(1, min(-(-limits.connections // self._workers), descriptors // 2))
        self._most_waiting = max(1, int(self._most * limits.preauth_share))
        self.shared.room.bound(limits.preauth_per_address, self._most_waiting)
        self.shared.crowds.bound(limits, self._workers)

    def _turn_away(self, policy: Policy, fd: int, reason: str) -> None:
        self.shared.totals[f"turned_away/{policy.service}/{reason}"] += 1
        if not policy.tls:
            with suppress(OSError):
                os.write(fd, self.shared.farewells.get(policy.service, b""))
        self.loop.discard(fd)

    def _record(self, outcome: Outcome) -> None:
        """A log-in ended: told with the others of this tick."""
        if not self._happened:
            self.loop.after(TICK, self._tell)
        self._happened.append(outcome)

    def _tell(self) -> None:
        happened, self._happened = self._happened, []
        self._log.write(happened)
        failures = self._failures()
        if self.news is not None:
            self.news.failed(failures)
            self.news.happened(happened)

    # --- the controller ---

    def _hear(self, message: FromController) -> None:
        if isinstance(message, Generation):
            self._on_generation(message)
            self.refresh_policies()
        elif isinstance(message, BackendState):
            self._on_state(message)
            if not self._promises_changed:  # many of them come at once
                self._promises_changed = True
                self.loop.after(TICK, self.refresh_policies)
        elif isinstance(message, FailuresElsewhere):
            self._on_failures(message.failures)
        elif isinstance(message, Held):
            self.shared.crowds.heard(message.counts)
        elif isinstance(message, ListSessions) and self.news is not None:
            self.news.answer_sessions(message.request, self.census.sessions(message))
        elif isinstance(message, Kick) and self.news is not None:
            self.news.send(Kicked(message.request, self.census.kick(message)))

    def refresh_policies(self) -> None:
        """The configuration changed: what it says of the listeners may have."""
        self._promises_changed = False
        for listener in self._listeners:
            listener.policy = self._policy(listener.spec)


def _base36(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits
