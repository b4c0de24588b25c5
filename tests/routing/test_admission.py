"""Admission with the store as judge: bans, names, maps, failover, standby, loops, outages, changes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet

from appliance.control import tally
from appliance.routing.admission import Admission
from appliance.routing.snapshot import SEALED, SnapshotError
from appliance.terms import Credentials, Endpoint, Refusal, Route, Secret, Service
from appliance.vault import Vault
from tests.routing.configuration import MARIA, OTTO, PEER, Configuration, Worker, backend_of


def fail(worker: Worker, back_end: str) -> None:
    endpoint = worker.admission.snapshot.back_ends[back_end].endpoints[Service.IMAP]
    for number in range(5):
        worker.admission.missed(endpoint, msgspec.structs.replace(PEER, ip=f"192.0.2.{number}"), "refused")


def test_a_route(configuration: Configuration) -> None:
    route = Worker(configuration).admit("Maria+tag@Example.Test")
    assert isinstance(route, Route)
    assert route.endpoint == Endpoint("alpha", "192.0.2.1", 143)
    assert (route.address, route.login, route.authcid, route.source) == (MARIA, MARIA, MARIA, "map people")
    assert route.password.reveal() == b"secret"


def test_the_same_endpoint_object_is_shared(configuration: Configuration) -> None:
    worker = Worker(configuration)
    one, two = worker.admit(MARIA), worker.admit(MARIA)
    assert isinstance(one, Route) and isinstance(two, Route) and one.endpoint is two.endpoint


def test_refusals_in_order(configuration: Configuration) -> None:
    configuration.ban("address", "198.51.100.0/24")
    configuration.ban("account", OTTO)
    worker = Worker(configuration)
    clear = msgspec.structs.replace(PEER, secured=False)
    elsewhere = msgspec.structs.replace(PEER, ip="::ffff:198.51.100.9")
    assert worker.admit(MARIA, peer=clear) is Refusal.TLS_REQUIRED
    assert worker.admit(MARIA, peer=elsewhere) is Refusal.BANNED
    assert worker.admit("OTTO+x@example.test") is Refusal.BANNED
    assert worker.admit("who@example.test") is Refusal.UNKNOWN_HERE
    assert worker.admit("@example.test") is Refusal.UNKNOWN_HERE
    assert worker.admit("a\0b") is Refusal.UNKNOWN_HERE
    assert worker.admit(MARIA, password="") is Refusal.BAD_CREDENTIALS
    assert worker.admit(MARIA, authzid=OTTO) is Refusal.NOT_PERMITTED
    assert worker.admit(MARIA, authzid="@") is Refusal.NOT_PERMITTED
    assert backend_of(worker.admit(MARIA, authzid="MARIA@example.test")) == "alpha"


def test_failover_is_for_the_absent_only(configuration: Configuration) -> None:
    configuration.set("imap", "", failover="beta")
    worker = Worker(configuration)
    route = worker.admit("Who+x@example.test")
    assert isinstance(route, Route)
    assert (route.endpoint.backend, route.source, route.login) == ("beta", "failover", "who+x@example.test")
    assert worker.admission.totals()["failover/imap"] == 1
    fail(worker, "alpha")
    assert worker.admit(MARIA) is Refusal.BACKEND_DOWN
    configuration.set("imap", "", failover="beta", map=["people", "not-defined"])
    worker.admission.tick()
    assert worker.admit("who@example.test") is Refusal.TRY_LATER
    assert worker.admission.totals()["failover/imap"] == 1


def test_standby_is_for_the_down_and_the_drained(configuration: Configuration) -> None:
    configuration.set("backend", "alpha", imap="192.0.2.1:143", standby="beta")
    worker = Worker(configuration)
    assert backend_of(worker.admit(MARIA)) == "alpha"
    fail(worker, "alpha")
    assert worker.states == [("alpha", "imap", False, "refused")]
    route = worker.admit(MARIA)
    assert isinstance(route, Route) and (route.endpoint.backend, route.source) == ("beta", "standby of alpha")
    assert worker.admission.totals()["standby/alpha"] == 1
    assert worker.admission.totals()["breakers_opened"] == 1
    fail(worker, "beta")
    assert worker.admit(MARIA) is Refusal.BACKEND_DOWN
    worker.admission.reached(worker.admission.snapshot.back_ends["alpha"].endpoints[Service.IMAP], PEER)
    assert backend_of(worker.admit(MARIA)) == "alpha"
    configuration.set("backend", "alpha", imap="192.0.2.1:143", state="drain")
    worker.admission.tick()
    assert worker.admit(MARIA) is Refusal.BACKEND_DOWN


def test_what_is_wrong_with_the_configuration(configuration: Configuration, caplog: pytest.LogCaptureFixture) -> None:
    configuration.put("people", {MARIA: "nowhere", OTTO: "pop", "loop@example.test": "loop", "m@x.test": "master"})
    configuration.set("backend", "pop", pop3="192.0.2.1:110")
    configuration.set("backend", "loop", imap="127.0.0.1:2143")
    sealed = SEALED + configuration.vault.seal("x")
    configuration.set("backend", "master", imap="x:143", login="master", master_user="m", master_password=sealed)
    worker = Worker(configuration)
    assert worker.admit(MARIA) is Refusal.MISCONFIGURED
    assert f"map people: the entry of '{MARIA}' names 'nowhere'" in caplog.text
    assert worker.admit(OTTO) is Refusal.MISCONFIGURED
    assert worker.admit("loop@example.test") is Refusal.LOOP
    assert worker.admit("m@x.test") is Refusal.MISCONFIGURED, "a master user opened a mailbox unasked"
    logged = len(caplog.records)
    worker.admit(MARIA)
    assert len(caplog.records) == logged, "once a second is enough"


def test_an_unserved_method_is_temporary(configuration: Configuration) -> None:
    configuration.set("auth", "", method="ldap")
    assert Worker(configuration).admit(MARIA) is Refusal.TRY_LATER


def test_changes_are_seen(configuration: Configuration) -> None:
    worker = Worker(configuration)
    configuration.put("people", {MARIA: "beta", OTTO: "beta"})
    assert backend_of(worker.admit(MARIA)) == "alpha"
    assert worker.admission.refresh(configuration.revision) == configuration.revision
    assert backend_of(worker.admit(MARIA)) == "beta"
    assert worker.admission.refresh(1) == configuration.revision
    before = worker.admission.snapshot
    configuration.ban("account", MARIA)
    assert worker.admission.tick() == configuration.revision
    assert worker.admission.snapshot is before, "data changed, the configuration did not"
    assert worker.admit(MARIA) is Refusal.BANNED
    configuration.set("limits", "", failure_delay=7, breaker_failures=1, breaker_clients=1)
    worker.admission.tick()
    assert worker.admission.limits.failure_delay == 7
    assert worker.refused(OTTO, Refusal.BAD_CREDENTIALS) >= 7
    fail(worker, "beta")
    assert worker.admit(OTTO) is Refusal.BACKEND_DOWN


def test_a_configuration_that_cannot_be_served_leaves_the_old_one(
    configuration: Configuration, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(configuration)
    good = configuration.revision
    configuration.set("backend", "beta", imap="no port")
    assert worker.admission.tick() == good and worker.admission.refresh(configuration.revision) == good
    assert backend_of(worker.admit(OTTO)) == "beta"
    assert caplog.text.count("cannot be served") == 1
    configuration.set("backend", "beta", imap="192.0.2.3:143")
    assert worker.admission.tick() == configuration.revision
    with pytest.raises(SnapshotError):
        configuration.set("backend", "beta", imap="no port")
        Worker(configuration)


def test_no_database_no_worker(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error):
        Admission(tmp_path / "none.db", "n", Vault(Fernet.generate_key()), lambda *_: True, print, print)


def test_a_map_that_cannot_be_read_is_temporary(configuration: Configuration) -> None:
    configuration.set("imap", "", failover="beta")
    configuration.put("people", {f"u{number:05}@example.test": "alpha" for number in range(20000)})
    configuration.settle()
    worker = Worker(configuration)
    with configuration.path.open("r+b") as file:
        file.truncate(4096)
    verdicts = {backend_of(worker.admit(f"u{number:05}@example.test")) for number in range(0, 20000, 501)}
    assert verdicts <= {"alpha", "try-later"} and "try-later" in verdicts
    worker.admission.tick()
    assert worker.admit("who@example.test") is Refusal.TRY_LATER, "an outage led to the failover"
    assert worker.admission.limits.attempts == 4, "the last good configuration stays"


def test_counts_and_holds(configuration: Configuration) -> None:
    worker = Worker(configuration)
    route = worker.admit(MARIA)
    assert isinstance(route, Route)
    assert 1.5 < worker.refused(MARIA, Refusal.BAD_CREDENTIALS, 0.5) <= 1.6
    assert 3.9 < worker.refused("maria+tag@example.test", Refusal.UNKNOWN_HERE, password="other") <= 4.1
    assert worker.refused(MARIA, Refusal.BACKEND_DOWN) == 0
    assert worker.admission.refused(PEER, None, Refusal.TLS_REQUIRED, 0) == 0
    assert worker.admission.failures.counts(PEER.ip, MARIA) == (2, 2)
    seen = worker.admission.failures.seen()
    assert {key: count for key, count in seen.items() if not key.startswith("guess ")} == {
        f"address {PEER.ip}": 2, f"account {MARIA}": 2
    }  # fmt: skip
    worker.admission.welcomed(PEER, route, 0.03)
    worker.admission.welcomed(PEER, route, 90.0)
    assert worker.admission.failures.counts(PEER.ip, MARIA) == (2, 0)
    totals = worker.admission.totals()
    assert [totals[f"logins/imap/{outcome}"] for outcome in ("ok", "bad-credentials", "backend-down")] == [2, 1, 1]
    timed = {key: value for key, value in totals.items() if key.startswith("login_seconds/")}
    assert timed == {"login_seconds/imap/0.05": 1, "login_seconds/imap/+Inf": 1, "login_seconds/imap/sum": 90.03}


def test_every_counter_has_a_metric(configuration: Configuration) -> None:
    configuration.set("imap", "", failover="gamma")
    configuration.set("backend", "gamma", imap="192.0.2.3:143", state="drain", standby="beta")
    worker = Worker(configuration)
    route = worker.admit("who@example.test")
    assert isinstance(route, Route)
    worker.admission.welcomed(PEER, route, 0.03)
    worker.refused(MARIA, Refusal.BAD_CREDENTIALS)
    totals = worker.admission.totals()
    assert {"failover/imap", "standby/gamma", "logins/imap/bad-credentials"} <= totals.keys()
    assert all(tally.parsed(key)[0] for key in totals)


def test_unmapped_is_held_as_long_as_a_slow_store_takes(configuration: Configuration) -> None:
    worker = Worker(configuration)
    for number in range(32):
        worker.refused(f"u{number}@example.test", Refusal.BAD_CREDENTIALS, 40.0 + number / 100)
    for refusal in (Refusal.UNKNOWN_HERE, Refusal.BANNED, Refusal.DISABLED):
        assert 40.0 < worker.refused("who@example.test", refusal, 0.0) < 40.4
    for _ in range(40):
        worker.refused(MARIA, Refusal.BAD_CREDENTIALS, 0.0, password="")
    assert worker.refused("who@example.test", Refusal.UNKNOWN_HERE, 0.0) > 40, "empty guesses pulled the median down"


def test_who_may_log_in_clear(configuration: Configuration) -> None:
    configuration.set("imap", "", clear_login_from=["127.0.0.0/8"])
    admission = Worker(configuration).admission
    assert admission.may_log_in_clear(Service.IMAP, "127.0.0.1")
    assert not admission.may_log_in_clear(Service.IMAP, "192.0.2.1")
    assert not admission.may_log_in_clear(Service.POP3, "127.0.0.1")


def test_what_is_ours_and_whom_to_expect_headers_from(configuration: Configuration) -> None:
    configuration.set("pop3", "", listen=["127.0.0.1:2110"])
    configuration.set("imap", "", proxy_protocol_from=["::ffff:192.0.2.0/120", "2001:db8::/32"])
    admission = Worker(configuration).admission
    assert admission.is_ours("127.0.0.1", 2110) and not admission.is_ours("127.0.0.2", 2110)
    balancers = admission.balancers(Service.IMAP)
    assert "192.0.2.7" in balancers and "::ffff:192.0.2.7" in balancers and "2001:db8::7" in balancers
    assert "192.0.3.1" not in balancers and not admission.balancers(Service.POP3)


def test_an_answer_at_once_is_not_given_twice(configuration: Configuration) -> None:
    answers: list[object] = []
    verdict = Worker(configuration).admission.admit(PEER, Credentials(MARIA, Secret(b"x")), answers.append)
    assert isinstance(verdict, Route) and not answers
