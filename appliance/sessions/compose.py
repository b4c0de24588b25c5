"""How a worker is put together: the wire, the protocols and the routing, introduced to each other.

Must never decide anything itself: it only hands each part what it needs of the others.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sqlite3
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Final

from appliance.edge.tls import Certificates, Entry
from appliance.home import Home
from appliance.messages import Applied, BackendState, Generation, ListenerSpec, Message, RehashWanted
from appliance.protocols.imap import replies as imap_replies
from appliance.protocols.imap.frontend import imap
from appliance.protocols.managesieve import replies as managesieve_replies
from appliance.protocols.managesieve.frontend import managesieve
from appliance.protocols.pop3 import replies as pop3_replies
from appliance.protocols.pop3.frontend import pop3
from appliance.routing.admission import Admission
from appliance.routing.snapshot import Snapshot, SnapshotError, load_snapshot
from appliance.terms import Limits, Service
from appliance.vault import Vault
from appliance.wire.listener import Policy
from appliance.wire.loop import Loop
from appliance.wire.news import News
from appliance.wire.offload import Offload
from appliance.wire.ports import Protocol_
from appliance.wire.worker import Worker
from db.connect import reader
from db.meta import node_name

log: Final = logging.getLogger(__name__)

PROTOCOLS: Final[dict[Service, Protocol_]] = {
    Service.IMAP: imap,
    Service.POP3: pop3,
    Service.SIEVE: managesieve,
}
FAREWELLS: Final = {
    Service.IMAP: imap_replies.TURNED_AWAY,
    Service.POP3: pop3_replies.TURNED_AWAY,
    Service.SIEVE: managesieve_replies.TURNED_AWAY,
}


def own_name(home: Home) -> str:
    """This node's name."""
    with contextlib.closing(reader(home.node_db)) as connection:
        return node_name(connection)


def read_snapshot(home: Home) -> Snapshot:
    """The configuration as it is now. Raises SnapshotError, sqlite3.Error, OSError."""
    with contextlib.closing(reader(home.config_db)) as connection:
        return load_snapshot(connection, own_name(home), Vault.load(home.secret_key))


def drain_seconds(home: Home) -> float:
    """How long sessions may go on once the node is told to end; the default if nobody can say."""
    try:
        return read_snapshot(home).limits.drain_seconds
    except (ValueError, SnapshotError, sqlite3.Error, OSError) as error:
        log.error("drains for as long as is usual: %s", error)
        return Limits().drain_seconds


def load_certificates(home: Home) -> Certificates:
    """The TLS contexts of all workers, to be made before the first is forked."""
    certificates = Certificates([])
    reload_certificates(certificates, home)
    return certificates


def reload_certificates(certificates: Certificates, home: Home) -> None:
    """Those configured now, in place; if they cannot be used, those before stay, and the log says why."""
    try:
        certificates.reload(_entries(home, read_snapshot(home)))
    except (ValueError, SnapshotError, sqlite3.Error, OSError) as error:
        log.error("the certificates in use stay: %s", error)


def _entries(home: Home, snapshot: Snapshot) -> Iterator[Entry]:
    """What is configured; until that has a default, the self-signed certificate that `init` made is it."""
    yield from ((entry.names, entry.certificate, entry.key) for entry in snapshot.certificates)
    if not any("*" in entry.names for entry in snapshot.certificates):
        yield ("*",), (home.tls / "cert.pem").read_text(), (home.tls / "key.pem").read_text()


def serve(
    home: Home,
    instance: str,
    slot: int,
    workers: int,
    control: socket.socket,
    certificates: Certificates,
    beat: Callable[[], object],
) -> int:
    """Be worker number `slot` of `workers` until drained, in a process just forked. Returns the exit status."""
    cores = os.sched_getaffinity(0)
    _pin(slot, workers, cores)
    whole = Composition(home, certificates, beat, cores)
    return whole.worker(instance, slot, workers, control).run()


class Composition:
    """What passes between the routing, the wire and the controller of one worker."""

    def __init__(
        self, home: Home, certificates: Certificates, beat: Callable[[], object], cores: Collection[int] = ()
    ) -> None:
        self.home = home
        self.certificates = certificates
        self.beat = beat
        self.news: News | None = None
        self.applied = 0  # the revision that the controller was told we serve by
        self.loop = Loop()
        limits = read_snapshot(home).limits
        self.admission = Admission(
            home.config_db,
            own_name(home),
            Vault.load(home.secret_key),
            Offload(self.loop, limits.hash_threads, limits.hash_queue, partial(_spread, cores)),
            lambda *rehash: self.loop.call(partial(self.tell, RehashWanted(*rehash))),
            lambda *state: self.tell(BackendState(*state)),
        )

    def worker(self, instance: str, slot: int, workers: int, control: socket.socket) -> Worker:
        """The worker, ready to run."""
        admission = self.admission
        worker = Worker(
            self.loop,
            slot=slot,
            instance=instance,
            hostname=admission.snapshot.node,
            admission=admission,
            certificates=self.certificates,
            protocols=PROTOCOLS,
            farewells=FAREWELLS,
            policy=self.policy,
            workers=workers,
            news_sock=self.home.news_sock,
            control=control,
            on_generation=self.renew,
            on_state=self.found,
            on_failures=admission.failures.add,
            failures=admission.failures.seen,
            on_certificates=lambda: reload_certificates(self.certificates, self.home),
            heartbeat=self.each_second,
            counters=admission.totals,
        )
        self.news = worker.news
        self.loop.call(self.beat)  # the first: it serves
        return worker

    def renew(self, news: Generation) -> None:
        """The controller says that something changed: serve by it, then say so."""
        revision = self.admission.refresh(news.revision)
        if news.certificates:
            reload_certificates(self.certificates, self.home)
        self.applied = revision
        self.tell(Applied(revision))

    def _serving(self, revision: int) -> None:
        """What could not be served when the news came may be served now."""
        if revision != self.applied:
            self.applied = revision
            self.tell(Applied(revision))

    def found(self, state: BackendState) -> None:
        """What a probe, or another worker's breaker, found of a store."""
        self.admission.health.told(state.backend, state.service, state.up, state.reason)
        self.admission.promises.told(state.backend, state.service, state.capabilities)

    def each_second(self) -> None:
        """Still here; see for ourselves what changed."""
        self.beat()
        self._serving(self.admission.tick())

    def tell(self, message: Message) -> None:
        """To the controller, if it is there."""
        if self.news is not None:
            self.news.send(message)

    def policy(self, spec: ListenerSpec) -> Policy:
        """What the configuration says now of a listener."""
        service = Service(spec.service)
        starttls = not spec.tls and self.certificates.server(service) is not None
        clear = partial(self.admission.may_log_in_clear, service)
        balancers = self.admission.balancers(service)
        is_balancer = balancers.__contains__ if balancers else None
        return Policy(service, spec.tls, starttls, clear, self.admission.promised(service), is_balancer)


def _spread(cores: Collection[int]) -> None:
    """Let this thread run on any of these: what takes long must not take a worker's only core."""
    with contextlib.suppress(OSError):  # a unit may forbid it
        os.sched_setaffinity(0, cores)


def _pin(slot: int, workers: int, cores: Collection[int]) -> None:
    """One core for one worker, where there are as many workers as cores: its caches stay warm."""
    if workers >= len(cores):
        _spread({sorted(cores)[slot % len(cores)]})
