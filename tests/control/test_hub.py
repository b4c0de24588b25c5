"""The controller and its workers over real sockets: generations, laggards, sessions, log-ins, failed guesses."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

import pytest

from appliance import messages, packets
from appliance.control.api import Done, Refused
from appliance.control.api.accounts import AccountAdd, AccountDisable, AccountImport, AccountList
from appliance.control.api.live import SessionKick, SessionList, SessionPage, Status
from appliance.messages import SessionRow
from appliance.routing.passwords import NOBODY
from tests.control.running import FakeWorker, Running, raw
from tests.services.ports import eventually

MakeWorker = Callable[[int], FakeWorker]
SSHA = "{SSHA}" + base64.b64encode(hashlib.sha1(b"pwsalt", usedforsecurity=False).digest() + b"salt").decode()


class Asking(threading.Thread):
    """A request under way, while the test plays the workers."""

    def __init__(self, controller: Running, request: object, file: BinaryIO | None = None) -> None:
        super().__init__(daemon=True)
        self._controller, self._request, self._file = controller, request, file
        self.began = time.monotonic()
        self.done: Done | None = None
        self.refused: Refused | None = None
        self.start()

    def run(self) -> None:
        """Ask."""
        try:
            self.done = self._controller.ask(self._request, file=self._file)
        except Refused as refused:
            self.refused = refused
        self.took = time.monotonic() - self.began

    def answer(self) -> Done:
        """Its end."""
        self.join(10)
        assert self.done is not None, self.refused
        return self.done


def session(name: str, user: str = "maria@example.test", backend: str = "mail2") -> SessionRow:
    """A live session."""
    return SessionRow(name, user, "imap", "192.0.2.7", backend, 1000.0 + len(name), 17, 4711, "relay")


def test_a_change_answers_once_every_worker_serves_by_it(controller: Running, worker: MakeWorker) -> None:
    first, second = worker(0), worker(1)
    asking = Asking(controller, AccountAdd("maria@example.test", "pw"))
    generation = first.hear(messages.Generation)
    first.send(messages.Applied(generation.revision))
    time.sleep(0.3)
    assert asking.is_alive()
    second.send(messages.Applied(second.hear(messages.Generation).revision))
    done = asking.answer()
    assert done.note == "" and done.value["revision"] == generation.revision
    assert asking.took < 2


def test_a_hung_worker_is_named_after_two_seconds_and_the_change_is_done(
    controller: Running, worker: MakeWorker
) -> None:
    hung, well = worker(0), worker(1)
    asking = Asking(controller, AccountAdd("maria@example.test", "pw"))
    well.send(messages.Applied(well.hear(messages.Generation).revision))
    done = asking.answer()
    assert 1.9 < asking.took < 3.5
    assert hung.name in done.note and well.name not in done.note
    assert [row["address"] for row in controller.ask(AccountList()).value] == ["maria@example.test"]


def test_a_worker_that_dies_is_not_waited_for(controller: Running, worker: MakeWorker) -> None:
    dying = worker(0)
    asking = Asking(controller, AccountAdd("maria@example.test", "pw"))
    dying.hear(messages.Generation)
    dying.close()
    assert asking.answer().note == ""
    assert asking.took < 1.9


def test_a_new_worker_is_told_the_generation_and_every_known_state(controller: Running, worker: MakeWorker) -> None:
    worker(0).send(messages.BackendState("mail2", "imap", False, "refused"))
    time.sleep(0.2)
    later = worker(1)
    assert later.hear(messages.BackendState) == messages.BackendState("mail2", "imap", False, "refused")


def test_a_new_worker_that_reads_late_is_told_all_the_same(controller: Running, worker: MakeWorker) -> None:
    first = worker(0)
    for number in range(1500):
        first.send_all(messages.BackendState(f"store{number}", "imap", False, "refused"))
    time.sleep(0.5)
    later = worker(1)
    time.sleep(0.5)
    told = {later.hear(messages.BackendState).backend for _ in range(1500)}
    assert len(told) == 1500


def test_a_breaker_is_told_to_the_others_and_not_back(controller: Running, worker: MakeWorker) -> None:
    first, second = worker(0), worker(1)
    first.send(messages.BackendState("mail2", "imap", False, "refused"))
    assert not second.hear(messages.BackendState).up
    assert first.hears_nothing(0.3)


def test_failed_guesses_reach_the_workers_that_did_not_see_them(controller: Running, worker: MakeWorker) -> None:
    first, second, third = worker(0), worker(1), worker(2)
    first.send(messages.FailuresSeen({"192.0.2.7": 2, "maria@example.test": 2}))
    second.send(messages.FailuresSeen({"192.0.2.7": 1}))
    assert third.hear(messages.FailuresElsewhere).failures == {"192.0.2.7": 3, "maria@example.test": 2}
    assert second.hear(messages.FailuresElsewhere).failures == {"192.0.2.7": 2, "maria@example.test": 2}
    assert first.hear(messages.FailuresElsewhere).failures == {"192.0.2.7": 1}


def test_many_failed_guesses_are_told_in_several_packets(controller: Running, worker: MakeWorker) -> None:
    first, second = worker(0), worker(1)
    guessed = {f"{'x' * 250}{number}@example.test": 1 for number in range(200)}
    first.send(messages.FailuresSeen(guessed))
    heard: dict[str, int] = {}
    while len(heard) < len(guessed):
        heard |= second.hear(messages.FailuresElsewhere).failures
    assert heard == guessed


def test_what_the_others_hold_is_told_where_it_changed(controller: Running, worker: MakeWorker) -> None:
    first, second, third = worker(0), worker(1), worker(2)
    first.send(messages.Held({"account maria": 40, "waiting 192.0.2.7": 3}))
    for other in (second, third):
        assert other.hear(messages.Held).counts == {"account maria": 40, "waiting 192.0.2.7": 3}
    second.send(messages.Held({"account maria": 2}))
    assert third.hear(messages.Held).counts == {"account maria": 42}
    assert first.hear(messages.Held).counts == {"account maria": 2}
    assert second.hears_nothing(0.3)
    first.close()
    assert third.hear(messages.Held).counts == {"account maria": 2, "waiting 192.0.2.7": 0}
    later = worker(3)
    assert later.hear(messages.Held).counts == {"account maria": 2}


def test_sessions_of_all_workers_and_who_did_not_answer(controller: Running, worker: MakeWorker) -> None:
    first, second, hung = worker(0), worker(1), worker(2)
    asking = Asking(controller, SessionList(backend="mail2"))
    asked = first.hear(messages.ListSessions)
    assert asked.backend == "mail2"
    first.send(messages.Sessions(asked.request, [session("a1")], more=True))
    first.send(messages.Sessions(asked.request, [session("a22")]))
    second.send(messages.Sessions(second.hear(messages.ListSessions).request, []))
    done = asking.answer()
    assert [row["id"] for row in done.value] == ["a1", "a22"]
    assert done.value[0] == {
        "id": "a1", "user": "maria@example.test", "service": "imap", "from": "192.0.2.7", "backend": "mail2",
        "since": 1002.0, "in": 17, "out": 4711, "state": "relay",
    }  # fmt: skip
    assert hung.name in done.note and first.name not in done.note
    assert 0.9 < asking.took < 2


def test_a_screenful_of_sessions_is_found_and_sorted_here(controller: Running, worker: MakeWorker) -> None:
    one = worker(0)
    rows = [session("a1"), session("a22", "otto@example.test"), session("a333", "maria@else.test", "mail1")]

    def answer(request: SessionPage) -> dict[str, object]:
        asking = Asking(controller, request)
        one.send(messages.Sessions(one.hear(messages.ListSessions).request, rows))
        value: dict[str, object] = asking.answer().value
        return {**value, "sessions": [row["id"] for row in asking.answer().value["sessions"]]}

    assert answer(SessionPage()) == {"sessions": ["a1", "a22", "a333"], "matching": 3, "total": 3}
    assert answer(SessionPage("MARIA mail2")) == {"sessions": ["a1"], "matching": 1, "total": 3}
    found = answer(SessionPage("example", sort="user", down=True, limit=1))
    assert found == {"sessions": ["a22"], "matching": 2, "total": 3}
    assert answer(SessionPage(limit=-1))["sessions"] == []
    with pytest.raises(Refused, match="not sorted by 'shoe size'"):
        controller.ask(SessionPage(sort="shoe size"))


def test_kick_counts_over_all_workers(controller: Running, worker: MakeWorker) -> None:
    first, second = worker(0), worker(1)
    asking = Asking(controller, SessionKick(user="maria@example.test"))
    for one, count in ((first, 2), (second, 1)):
        kick = one.hear(messages.Kick)
        assert kick.user == "maria@example.test"
        one.send(messages.Kicked(kick.request, count))
    assert asking.answer().value == {"kicked": 3}


def test_many_ids_are_asked_for_in_packets_that_workers_can_read(controller: Running, worker: MakeWorker) -> None:
    one = worker(0)
    asking = Asking(controller, SessionKick(tuple(f"{number:0400}" for number in range(messages.MAX_IDS + 1))))
    for expected in (messages.MAX_IDS, 1):
        kick = one.hear(messages.Kick)
        assert len(kick.ids) == expected
        one.send(messages.Kicked(kick.request, 1))
    assert asking.answer().value == {"kicked": 2}
    for request in (SessionKick(("x" * 401,)), SessionList(user="x" * 401)):
        with pytest.raises(Refused, match="more than 400 octets"):
            controller.ask(request)


def test_kick_without_a_match_is_refused(controller: Running, worker: MakeWorker) -> None:
    one = worker(0)
    asking = Asking(controller, SessionKick(("nobody",)))
    one.send(messages.Kicked(one.hear(messages.Kick).request, 0))
    asking.join(10)
    assert asking.refused is not None and asking.refused.text == "no session matches"


def test_kick_of_everything_by_mistake_is_wrong_usage(controller: Running) -> None:
    with pytest.raises(Refused) as refused:
        controller.ask(SessionKick())
    assert refused.value.status == 2


def test_an_old_hash_is_replaced_unless_the_password_was_changed(controller: Running, worker: MakeWorker) -> None:
    one = worker(0)
    file = controller.home.path / "accounts.csv"
    old = "".join(f"{name}@example.test,{SSHA}\n" for name in ("maria", "otto", "bad"))
    file.write_text(f"{old}new@example.test,{NOBODY}\n")
    with file.open("rb") as source:
        asking = Asking(controller, AccountImport(), source)
        one.send(messages.Applied(one.hear(messages.Generation).revision))
        asking.answer()
    accounts = _hashes(controller)
    new = NOBODY[:-1] + "5"
    one.send(messages.RehashWanted("otto@example.test", "of another time", new))
    one.send(messages.RehashWanted("new@example.test", NOBODY, new))  # a worker that was broken into
    one.send(messages.RehashWanted("bad@example.test", SSHA, "{PLAIN}known"))
    one.send(messages.RehashWanted("maria@example.test", SSHA, new))
    one.send(messages.Applied(one.hear(messages.Generation).revision))
    changed = eventually(lambda: (now := _hashes(controller)) != accounts and now, "the hash is replaced")
    assert changed == {**accounts, "maria@example.test": new}


def _hashes(controller: Running) -> dict[str, str]:
    from contextlib import closing

    from db import accounts
    from db.connect import reader

    with closing(reader(controller.home.config_db)) as connection:
        return {one.address: one.password for one in accounts.page(connection)}


def test_status_counts_sessions_of_all_workers_and_forgets_those_of_the_dead(
    controller: Running, worker: MakeWorker
) -> None:
    first, second = worker(0), worker(1)
    key = "sessions/imap/mail2"
    first.send(messages.Counters({key: 3}))
    second.send(messages.Counters({key: 4}))
    assert eventually(lambda: _imap(controller) == ("on", 7), "both are counted")
    second.close()
    assert eventually(lambda: _imap(controller) == ("on", 3), "the dead one's are gone")
    first.close()
    assert eventually(lambda: _imap(controller) == ("stopped", 0), "nobody serves")


def _imap(controller: Running) -> tuple[str, int]:
    row = next(row for row in controller.ask(Status()).value["services"] if row["name"] == "imap")
    return row["state"], row["sessions"]


def test_a_worker_that_sends_garbage_is_hung_up_on_and_nobody_else(controller: Running, worker: MakeWorker) -> None:
    well = worker(0)
    bad = packets.connect(controller.home.news_sock)
    bad.setblocking(True)
    bad.settimeout(5)
    bad.send(b"\xc1garbage")
    assert bad.recv(100) == b""
    bad.close()
    asking = Asking(controller, AccountAdd("maria@example.test", "pw"))
    well.send(messages.Applied(well.hear(messages.Generation).revision))
    assert asking.answer().note == ""


def test_the_stream_itself_is_json_lines(controller: Running) -> None:
    with raw(controller.home) as connection:
        connection.sendall(b'{"do":"log tail","follow":false}\n')
        assert json.loads(connection.makefile("rb").readline()) == {"is": "done", "value": None, "note": ""}


def test_disabling_an_account_is_one_entry_for_the_audit(controller: Running) -> None:
    controller.ask(AccountAdd("maria@example.test", "pw"))
    done = controller.ask(AccountDisable("maria@example.test"))
    assert "revision" in done.value
