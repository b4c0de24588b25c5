"""Internal accounts: right, wrong, absent, disabled, remembered, rehashed; a full queue and a failing thread."""

from __future__ import annotations

import bcrypt
import pytest

from appliance.routing import authentication, passwords
from appliance.routing.snapshot import SEALED
from appliance.terms import Credentials, Refusal, Route, Secret
from tests.routing.configuration import MARIA, OTTO, PEER, Configuration, Worker, backend_of

STORED = passwords.hash(b"secret")


@pytest.fixture
def internal(configuration: Configuration) -> Configuration:
    configuration.set("auth", "", method="internal")
    configuration.account(MARIA, STORED)
    return configuration


def test_right_and_wrong(internal: Configuration) -> None:
    worker = Worker(internal)
    assert backend_of(worker.admit("Maria@Example.test")) == "alpha"
    assert worker.admit(MARIA, "wrong") is Refusal.BAD_CREDENTIALS
    assert worker.admit(OTTO) is Refusal.UNKNOWN_HERE
    assert worker.rehashes == []


def test_absent_costs_a_hash_too(internal: Configuration) -> None:
    worker = Worker(internal)
    answers: list[object] = []
    assert worker.admission.admit(PEER, Credentials(OTTO, Secret(b"x")), answers.append) is None
    assert worker.pool.run() == 1 and answers == [Refusal.UNKNOWN_HERE]


def test_an_account_in_no_map_is_unknown_here(internal: Configuration) -> None:
    internal.account("who@example.test", STORED)
    assert Worker(internal).admit("who@example.test") is Refusal.UNKNOWN_HERE


def test_a_right_password_is_remembered_a_while(internal: Configuration) -> None:
    worker = Worker(internal)
    now = [1000.0]
    worker.admission.accounts._clock = lambda: now[0]
    for _ in range(3):
        assert isinstance(worker.admit(MARIA), Route)
    assert worker.admission.totals()["hashes"] == 1 and worker.admission.totals()["hashes_spared"] == 2
    assert worker.admit(MARIA, "wrong") is Refusal.BAD_CREDENTIALS
    assert worker.admit(MARIA, "wrong") is Refusal.BAD_CREDENTIALS
    assert worker.admission.totals()["hashes"] == 3, "a wrong one is not"
    now[0] += 300
    worker.admit(MARIA)
    assert worker.admission.totals()["hashes"] == 4


def test_a_changed_password_is_forgotten_at_once(internal: Configuration) -> None:
    worker = Worker(internal)
    worker.admit(MARIA)
    internal.account(MARIA, passwords.hash(b"new secret"))
    worker.admission.tick()
    assert worker.admit(MARIA) is Refusal.BAD_CREDENTIALS
    assert isinstance(worker.admit(MARIA, "new secret"), Route)


def test_a_disabled_account_is_refused_though_remembered(internal: Configuration) -> None:
    worker = Worker(internal)
    worker.admit(MARIA)
    internal.account(MARIA, STORED, "off")
    worker.admission.tick()
    assert worker.admit(MARIA) is Refusal.DISABLED
    assert worker.admit(MARIA, "wrong") is Refusal.BAD_CREDENTIALS


def test_two_accounts_share_nothing(internal: Configuration) -> None:
    internal.account(OTTO, STORED)
    worker = Worker(internal)
    worker.admit(MARIA)
    worker.admit(OTTO)
    assert worker.admission.totals()["hashes"] == 2


def test_memory_is_bounded(internal: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "REMEMBERED", 2)
    accounts = Worker(internal).admission.accounts
    for number in range(5):
        accounts._remember(b"%d" % number)
    assert len(accounts._right) == 2


def test_an_old_scheme_is_verified_and_its_rehash_asked_for(internal: Configuration) -> None:
    old = "{BLF-CRYPT}" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    internal.account(MARIA, old)
    worker = Worker(internal)
    assert worker.admit(MARIA, "wrong") is Refusal.BAD_CREDENTIALS
    assert worker.rehashes == []
    assert isinstance(worker.admit(MARIA), Route)
    ((address, before, after),) = worker.rehashes
    assert (address, before) == (MARIA, old)
    assert passwords.verify(after, b"secret") and not passwords.needs_rehash(after)
    worker.admit(MARIA)
    assert len(worker.rehashes) == 1


def test_an_unknown_scheme_is_not_a_wrong_password(internal: Configuration, caplog: pytest.LogCaptureFixture) -> None:
    internal.account(MARIA, "{ROT13}frperg")
    assert Worker(internal).admit(MARIA) is Refusal.MISCONFIGURED
    assert f"account {MARIA}: password scheme {{ROT13}} is not known" in caplog.text
    assert "frperg" not in caplog.text


def test_a_full_queue_is_temporary(internal: Configuration) -> None:
    worker = Worker(internal)
    worker.pool.full = True
    assert worker.admit(MARIA) is Refusal.TRY_LATER
    assert worker.admit(OTTO) is Refusal.TRY_LATER, "who is absent must not be told apart"
    assert worker.admission.totals()["hash_refused"] == 2


def test_a_thread_that_fails_is_temporary(
    internal: Configuration, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def out_of_memory(stored: str, password: bytes) -> bool:
        raise MemoryError

    monkeypatch.setattr(passwords, "verify", out_of_memory)
    assert Worker(internal).admit(MARIA) is Refusal.TRY_LATER
    assert "MemoryError" in caplog.text


def test_an_outage_is_temporary(internal: Configuration) -> None:
    worker = Worker(internal)
    worker.admit(MARIA)
    worker.admission.watch.tables.close()
    assert worker.admit(MARIA) is Refusal.TRY_LATER
    assert worker.admit(OTTO) is Refusal.TRY_LATER
    worker.admission.tick()
    assert isinstance(worker.admit(MARIA), Route)


def test_the_mailbox_is_the_accounts_own(internal: Configuration) -> None:
    sealed = SEALED + internal.vault.seal("master")
    internal.set("backend", "beta", imap="x:143", login="master", master_user="postern", master_password=sealed)
    internal.put("people", {MARIA: "alpha", "maria+boss@example.test": "beta", "@example.test": "beta"})
    internal.account("otto+x@example.test", STORED)
    worker = Worker(internal)
    route = worker.admit("maria+boss@example.test")
    assert isinstance(route, Route)
    assert (route.login, route.endpoint.backend) == (MARIA, "alpha"), "a tag led into another's mailbox"
    route = worker.admit("Otto+x@example.test")
    assert isinstance(route, Route)
    assert (route.login, route.authcid, route.password.reveal()) == ("otto+x@example.test", "postern", b"master")
