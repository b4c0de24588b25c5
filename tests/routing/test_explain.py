"""Explanations say what admission does, in every situation, and change nothing."""

from __future__ import annotations

import random

import msgspec
import pytest

from appliance.protocols.imap import replies as imap_replies
from appliance.protocols.pop3 import replies as pop3_replies
from appliance.routing import passwords
from appliance.routing.explain import TEMPORARY, Explanation, explain
from appliance.routing.health import Health
from appliance.routing.snapshot import SEALED
from appliance.routing.told import told
from appliance.routing.usermap import SqliteMap
from appliance.terms import Refusal, Route, Service
from tests.routing.configuration import MARIA, OTTO, PEER, Configuration, Worker

SAID = {Service.IMAP: imap_replies, Service.POP3: pop3_replies}


def ask(worker: Worker, configuration: Configuration, who: str, ip: str = PEER.ip) -> Explanation:
    admission = worker.admission
    return explain(admission.snapshot, configuration.writer, who, Service.IMAP, ip, admission.health)


def test_a_route(configuration: Configuration) -> None:
    found = ask(Worker(configuration), configuration, "Maria+tag@example.test")
    assert (found.address, found.service, found.verdict, found.told) == (MARIA, "imap", "route", "OK")
    assert (found.backend, found.host, found.port, found.login) == ("alpha", "192.0.2.1", 143, MARIA)
    assert [step.name for step in found.steps] == ["address", "name", "map people", "mailbox", "back-end"]
    assert found.steps[2].result == f"{MARIA} is on alpha" and found.steps[3].source == "map people"
    shown = msgspec.to_builtins(found)
    assert {"address", "service", "verdict", "backend", "host", "port", "steps", "told"} <= shown.keys()
    assert all({"name", "result", "source", "age", "ms"} == step.keys() for step in shown["steps"])


def _alpha_down(worker: Worker) -> None:
    worker.admission.health.told("alpha", "imap", False, "no route to host")


def test_down_is_temporary_and_still_says_where(configuration: Configuration) -> None:
    worker = Worker(configuration)
    _alpha_down(worker)
    found = ask(worker, configuration, MARIA)
    assert (found.verdict, found.backend, found.port, found.told) == ("temporary", "alpha", 143, "NO [UNAVAILABLE]")
    assert "no route to host" in found.steps[-1].result
    configuration.set("backend", "alpha", imap="192.0.2.1:143", standby="beta")
    worker.admission.tick()
    found = ask(worker, configuration, MARIA)
    assert (found.verdict, found.backend, found.steps[-1].source) == ("route", "beta", "standby of alpha")


def test_no_room_is_the_last_thing_it_says(configuration: Configuration) -> None:
    configuration.set("limits", "", sessions_per_account=3, sessions_per_address=8)
    asked = []

    def crowded(ip: str, mailbox: str) -> tuple[int, int]:
        asked.append((ip, mailbox))
        return 7, 3

    snapshot, connection = Worker(configuration).admission.snapshot, configuration.writer
    found = explain(snapshot, connection, "Maria+tag@example.test", Service.IMAP, PEER.ip, Health(), crowded)
    assert (found.verdict, found.refusal, found.told, found.backend) == ("temporary", "limit", "NO [LIMIT]", "alpha")
    assert found.steps[-1].result == "the mailbox has 3 of at most 3, the address 7 of at most 8"
    assert asked == [(PEER.ip, MARIA)]
    nobody = explain(snapshot, connection, "who@example.test", Service.IMAP, "", Health(), crowded)
    assert nobody.refusal == "unknown-here"
    assert len(asked) == 1, "of a stranger nothing is counted"


def test_it_takes_no_trial(configuration: Configuration) -> None:
    now = [1000.0]
    health = Health(clock=lambda: now[0])
    health.told("alpha", "imap", False, "down")
    now[0] += 30
    snapshot = Worker(configuration).admission.snapshot
    for _ in range(2):
        assert explain(snapshot, configuration.writer, MARIA, Service.IMAP, "", health).verdict == "route"
    assert health.usable("alpha", Service.IMAP)


@pytest.mark.parametrize("method", ["backend", "internal", "ldap"])
def test_it_never_differs_from_admission(configuration: Configuration, method: str) -> None:
    stored = passwords.hash(b"secret")
    configuration.set("auth", "", method=method)
    configuration.set("imap", "", failover="gamma", map=["people", "more"])
    configuration.set("map", "more")
    configuration.set("backend", "gamma", imap="192.0.2.3:143", state="drain", standby="beta")
    configuration.set("backend", "loop", imap="127.0.0.1:2143")
    configuration.set("imap", "", failover="gamma", map=["people", "more"], listen=["127.0.0.1:2143"])
    configuration.put("more", {"lost@example.test": "nowhere", "loop@example.test": "loop", "@beta.test": "beta"})
    configuration.ban("account", "banned@example.test")
    configuration.ban("address", "198.51.100.1")
    names = [MARIA, OTTO, "who@example.test", "lost@example.test", "loop@example.test", "x+y@beta.test",
             "banned@example.test", "@", "off@beta.test", "no-account@beta.test"]  # fmt: skip
    for name in names[:7]:
        configuration.account(name.replace("+y", ""), stored)
    configuration.account("off@beta.test", stored, "off")
    worker = Worker(configuration)
    _alpha_down(worker)
    for name in names:
        for ip in (PEER.ip, "198.51.100.1"):
            _agree(worker, configuration, name, ip)


def _agree(worker: Worker, configuration: Configuration, name: str, ip: str = PEER.ip) -> Route | Refusal:
    """Both say the same of a log-in; what they say."""
    found = ask(worker, configuration, name, ip)
    verdict = worker.admit(name, peer=msgspec.structs.replace(PEER, ip=ip))
    if isinstance(verdict, Route):
        assert (found.verdict, found.refusal) == ("route", "")
        endpoint = verdict.endpoint
        assert (found.backend, found.host, found.port) == (endpoint.backend, endpoint.host, endpoint.port)
        assert (found.address, found.login) == (verdict.address, verdict.login)
        assert found.steps[-1].source == verdict.source
    else:
        assert found.refusal == verdict
        assert found.verdict == ("temporary" if verdict in TEMPORARY else "refuse")
    assert found.steps
    return verdict


STORES = {
    "alpha": {"imap": "192.0.2.1:143"},
    "beta": {"imap": "192.0.2.2:143", "login_name": "{local}"},
    "loop": {"imap": "127.0.0.1:2143"},
    "master": {"imap": "192.0.2.3:143", "login": "master", "master_user": "m"},
    "pop": {"pop3": "192.0.2.4:110"},
}
NAMES = [
    local + domain
    for local in ("ann", "Ann", "ANN+X", "bob", "b+", "+b", "\u00fc", "a b", 'a"b', "")
    for domain in ("", "@a.test", "@A.Test", "@old.test", "@\u00fc.test", "@", "@x@a.test")
]
ENTRIES = ["ann@a.test", "Ann@a.test", "ann+x@a.test", "bob@b.test", "@b.test", "@a.test", "bob", "\u00fc@a.test"]
BANS = [("account", "ann@a.test"), ("account", "bob"), ("address", "198.51.100.0/24"), ("address", PEER.ip)]


@pytest.mark.parametrize("seed", range(40))
def test_it_never_differs_in_any_situation(
    configuration: Configuration, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(SqliteMap, "blocks", chance.random() < 0.3)  # what must wait is decided another way
    _change(configuration, chance)
    worker = Worker(configuration)
    for name in chance.sample(sorted(STORES), chance.randint(0, 2)):
        worker.admission.health.told(name, "imap", False, "no route to host")
    for name in NAMES:
        _agree(worker, configuration, name)


def _change(configuration: Configuration, chance: random.Random) -> None:
    """Anything may be configured, though not all at once."""
    for name, body in STORES.items():
        more = {"standby": chance.choice(sorted(STORES))} if chance.random() < 0.3 else {}
        state = "drain" if chance.random() < 0.2 else "on"
        secret = {"master_password": SEALED + configuration.vault.seal("x")} if name == "master" else {}
        configuration.set("backend", name, state=state, **body, **more, **secret)
    for name in ("people", "more"):
        configuration.set("map", name, fold=chance.choice(["lower", "none"]))
        rows = {entry: chance.choice([*STORES, "nowhere"]) for entry in chance.sample(ENTRIES, 4)}
        configuration.put(name, rows)
    chain = chance.sample(["people", "more"], chance.choice([1, 2])) + ["not-defined"] * (chance.random() < 0.2)
    failover = chance.choice(["", "alpha", "master", "192.0.2.9:143"])
    configuration.set("imap", "", listen=["127.0.0.1:2143"], map=chain, failover=failover)
    site = {"recipient_delimiter": chance.choice(["", "+", "+"]), "default_domain": chance.choice(["", "a.test"])}
    configuration.set("site", "", aliases={"old.test": "b.test"}, **site)
    for scope, subject in BANS:
        if chance.random() < 0.15:
            configuration.ban(scope, subject)


def test_a_map_that_is_not_served_is_temporary(configuration: Configuration) -> None:
    configuration.set("map", "corp", type="ldap-bind", ldap="corp")
    configuration.set("imap", "", map=["corp", "people"])
    found = ask(Worker(configuration), configuration, MARIA)
    assert (found.verdict, found.refusal) == ("temporary", "try-later")
    assert "unknown: map corp is of type ldap-bind" in found.steps[2].result


@pytest.mark.parametrize("refusal", Refusal)
@pytest.mark.parametrize("service", SAID)
def test_told_is_what_the_protocol_says(service: Service, refusal: Refusal) -> None:
    replies = SAID[service]
    line = replies.REFUSED[refusal].strip().decode()
    assert line == f"{told(service, refusal)} {replies.REFUSALS[refusal][1].decode()}"
    assert told(service, None) in ("OK", "+OK")
