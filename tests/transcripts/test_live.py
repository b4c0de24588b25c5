"""Every transcript over real sockets: a worker's loop in a thread between our client and our stores, clear and TLS."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest
import trustme

from appliance.edge.tls import Certificates
from appliance.messages import ListenerSpec
from appliance.sessions.compose import FAREWELLS, PROTOCOLS
from appliance.terms import Credentials, Endpoint, Limits, Peer, Refusal, Route, Service
from appliance.wire.listener import Policy
from appliance.wire.loop import Loop
from appliance.wire.ports import Verdict
from appliance.wire.worker import Worker
from tests.transcripts.format import Transcript, read_all
from tests.transcripts.live import LivePlayer, Store
from tests.transcripts.words import HOSTNAME
from tests.transcripts.world import World

LIVE = [one for one in read_all() if not one.is_pure]
AT_DOORS = [(one, kind) for one in LIVE for kind in one.doors]
DOORS = ("clear", "open", "tls")


class Admitted:
    """The admission of the worker: what the transcript being played says (implements wire.ports.Admission)."""

    def __init__(self) -> None:
        self.world = World()
        self.stores: dict[str, Store] = {}
        self.ca = ""
        self.refusals: list[str] = []
        self.limits = Limits()

    def begin(self, transcript: Transcript, stores: dict[str, Store]) -> None:
        """Be what this transcript says from now on."""
        self.world = World.of(transcript, {name: store.place for name, store in stores.items()})
        silent = any(step.kind == "silent" for step in transcript.steps)
        seconds = 1 if silent else 30
        self.limits = msgspec.structs.replace(self.world.limits, retry_pause=0.01, login_seconds=seconds)
        self.stores, self.refusals = stores, []

    def admit(self, peer: Peer, credentials: Credentials, answer: Callable[[Verdict], None]) -> Verdict | None:
        verdict = self.world.admit(credentials)
        if isinstance(verdict, Refusal):
            return verdict
        store = verdict.endpoint.backend
        self.stores[store].accept(self.world.dial(store) is None)
        trusted = "" if store in self.world.bad_certificate else self.ca
        return msgspec.structs.replace(verdict, endpoint=msgspec.structs.replace(verdict.endpoint, tls_ca=trusted))

    def is_ours(self, ip: str, port: int) -> bool:
        return False

    def reached(self, endpoint: Endpoint, peer: Peer) -> None:
        pass

    def missed(self, endpoint: Endpoint, peer: Peer, why: str) -> None:
        pass

    def welcomed(self, peer: Peer, route: Route, seconds: float) -> None:
        pass

    def refused(self, peer: Peer, credentials: Credentials | None, refusal: Refusal, elapsed: float) -> float:
        self.refusals.append(refusal)
        return 0.0


class Between:
    """A worker without a process of its own, and who speaks to it."""

    def __init__(self) -> None:
        ca = trustme.CA()
        own = ca.issue_cert(HOSTNAME)
        stores = ca.issue_cert("alpha.example.test", "beta.example.test")
        self.admission = Admitted()
        self.admission.ca = ca.cert_pem.bytes().decode()
        self.client_tls = ssl.create_default_context(cadata=self.admission.ca)
        self.store_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        stores.configure_cert(self.store_tls)
        chain = b"".join(pem.bytes() for pem in own.cert_chain_pems).decode()
        self.loop = Loop()
        self.places: dict[tuple[str, str], tuple[str, int]] = {}
        self.worker = Worker(
            self.loop,
            slot=0,
            instance="test",
            hostname=HOSTNAME,
            admission=self.admission,
            certificates=Certificates([(["*"], chain, own.private_key_pem.bytes().decode())]),
            protocols=PROTOCOLS,
            farewells=FAREWELLS,
            policy=self._policy,
        )
        self.worker.replace_listeners(*self._listeners())
        self.thread = threading.Thread(target=self.loop.run, daemon=True)
        self.thread.start()

    def _listeners(self) -> tuple[list[ListenerSpec], list[int]]:
        sockets = {(of, kind): socket.create_server(("127.0.0.1", 0)) for of in PROTOCOLS for kind in DOORS}
        self.places = {door: listener.getsockname() for door, listener in sockets.items()}
        specs = [ListenerSpec(service, kind, kind == "tls") for service, kind in sockets]
        return specs, [listener.detach() for listener in sockets.values()]

    def _policy(self, spec: ListenerSpec) -> Policy:
        promised = self.admission.world.promised
        return Policy(Service(spec.service), spec.tls, not spec.tls, lambda _ip: spec.address == "open", promised)

    def begin(self, transcript: Transcript, stores: dict[str, Store]) -> None:
        """Be what this transcript says from now on."""
        self.admission.begin(transcript, stores)
        done = threading.Event()
        self.loop.call(self.worker.refresh_policies)
        self.loop.call(done.set)
        assert done.wait(10)

    def connect(self, transcript: Transcript, kind: str) -> Callable[[], socket.socket]:
        """Connections to this door of its service."""
        return lambda: socket.create_connection(self.places[transcript.service, kind])

    def wait_until_empty(self) -> None:
        """Until no session is left: a client that left may still be tried for."""
        shared = self.worker.shared
        while shared.room.all or shared.relays:
            time.sleep(0.002)

    def stop(self) -> None:
        """End the loop."""
        self.loop.call(self.loop.stop)
        self.thread.join()


@pytest.fixture(scope="module")
def between() -> Iterator[Between]:
    it = Between()
    yield it
    it.stop()


@pytest.mark.parametrize(("transcript", "kind"), AT_DOORS, ids=str)
def test_over_sockets(between: Between, transcript: Transcript, kind: str) -> None:
    stores = {name: Store(name) for name in ("alpha", "beta")}
    between.begin(transcript, stores)
    tls = (between.client_tls, between.store_tls)
    try:
        LivePlayer(transcript, kind, between.connect(transcript, kind), stores.values(), *tls).play()
        refused = list(between.admission.refusals)
    finally:
        for store in stores.values():
            store.close()
        between.wait_until_empty()
    assert refused == [step.text for step in transcript.steps if step.kind == "do" and step.who == "refused"]
