"""Changes on trial: kept, given up, taken back by the node itself, also after its controller was killed."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.cluster.log import put_object
from appliance.control.api import Refused, Request
from appliance.control.api.accounts import AccountAdd
from appliance.control.api.admins import AdminAdd
from appliance.control.api.audit import AuditList
from appliance.control.api.certificates import CertAdd
from appliance.control.api.services import ServiceSet, ServiceShow
from appliance.control.api.trial import GiveUp, Keep, Try
from appliance.control.node import By, Node
from appliance.control.trial import MARK, Trials
from appliance.home import Home
from db import connect, migrate, trials
from db.trials import Trial
from tests.control.letting import Inside
from tests.control.running import Running
from tests.services.ports import eventually

ME = By("maria", "ssh 192.0.2.7")


def trying(request: Request, seconds: float = 60.0) -> Try:
    """The request that tries it."""
    return Try(msgspec.to_builtins(request), seconds)


MOVED = ServiceSet("imap", {"listen": ["127.0.0.9:1143"]})


def listen(controller: Running) -> list[str]:
    settings = {row["name"]: row["value"] for row in controller.ask(ServiceShow("imap")).value["settings"]}
    found: list[str] = settings["listen"]
    return found


def newest(controller: Running) -> dict[str, Any]:
    row: dict[str, Any] = controller.ask(AuditList(limit=1)).value[0]
    return row


def test_it_is_made_at_once_and_kept(controller: Running) -> None:
    begun = controller.ask(trying(MOVED)).value
    assert listen(controller) == ["127.0.0.9:1143"]
    assert 50 < begun["until"] - time.time() <= 60 and begun["done"]["revision"] == int(newest(controller)["id"])
    assert newest(controller)["origin"] == "control socket, on trial"
    with pytest.raises(Refused, match="another change is on trial"):
        controller.ask(trying(ServiceSet("pop3", {"enabled": False})))
    with pytest.raises(Refused, match="another change is on trial by now"):
        controller.ask(Keep("0000"))
    assert controller.ask(Keep(begun["id"])).value["revision"] == begun["done"]["revision"]
    assert _stored(controller.home) is None
    with pytest.raises(Refused, match="no change is on trial"):
        controller.ask(Keep())
    assert listen(controller) == ["127.0.0.9:1143"]


def test_it_is_given_up(controller: Running) -> None:
    controller.ask(trying(MOVED))
    controller.ask(GiveUp())
    assert listen(controller) == []
    what = newest(controller)["what"]
    assert what.startswith("audit revert ") and what.endswith("service set imap listen (on trial by root, given up)")
    with pytest.raises(Refused, match="no change is on trial"):
        controller.ask(GiveUp())


def test_the_node_takes_it_back_by_itself_although_whoever_made_it_is_gone(controller: Running) -> None:
    controller.ask(AdminAdd("maria", "owner"))
    maria = Inside(controller, "maria")
    maria.ask(trying(MOVED, 5))
    maria.close()
    assert listen(controller) == ["127.0.0.9:1143"]
    eventually(lambda: not listen(controller), "it is taken back", 15)
    row = newest(controller)
    assert (row["by"], row["origin"]) == ("postern", "nobody kept it for 5 s")
    assert row["what"].endswith("(on trial by maria, not kept)")
    eventually(lambda: _stored(controller.home) is None, "nothing is on trial")


def test_a_controller_that_is_killed_meanwhile_changes_nothing_of_that(controller: Running) -> None:
    controller.ask(trying(MOVED, 5))
    controller.process.kill()
    controller.process.wait()
    again = Running(controller.home)
    try:
        assert listen(again) == ["127.0.0.9:1143"]
        with pytest.raises(Refused, match="another change is on trial"):
            again.ask(trying(ServiceSet("pop3", {"enabled": False})))
        eventually(lambda: not listen(again), "it is taken back", 15)
    finally:
        again.close()


def test_killed_between_writing_down_and_making_known_it_is_found_in_the_audit(home: Home) -> None:
    """What a kill in the middle of the handler leaves: the trial is written down without a revision."""
    with contextlib.closing(Node.open(home)) as node:
        before = node.change(ME, "something before", [put_object("pop3", "", {"enabled": False})]).value["revision"]
        _store(home, Trial("x", time.time() + 1, 60, ME.name, ME.origin + MARK, before, 0))
        node.change(By("olga", "ssh x"), "another's", [put_object("sieve", "", {"enabled": False})])
        tried = By(ME.name, ME.origin + MARK)
        node.change(tried, "service set imap", [put_object("imap", "", {"enabled": False})])
    running = Running(home)
    try:
        eventually(lambda: _stored(home) is None, "the trial is over", 15)
        assert {name: _enabled(running, name) for name in ("imap", "pop3", "sieve")} == {
            "imap": True, "pop3": False, "sieve": False,
        }  # fmt: skip
    finally:
        running.close()


def test_killed_before_it_was_made_there_is_nothing_to_take_back(home: Home) -> None:
    with contextlib.closing(Node.open(home)) as node:
        before = node.change(ME, "something before", [put_object("pop3", "", {"enabled": False})]).value["revision"]
    _store(home, Trial("x", time.time() - 1, 60, ME.name, ME.origin + MARK, before, 0))
    running = Running(home)
    try:
        eventually(lambda: _stored(home) is None, "the trial is over", 15)
        assert int(newest(running)["id"]) == before
    finally:
        running.close()


def _enabled(controller: Running, name: str) -> bool:
    rows = controller.ask(ServiceShow(name)).value["settings"]
    return bool({row["name"]: row["value"] for row in rows}["enabled"])


def test_what_was_changed_again_meanwhile_stays(controller: Running) -> None:
    controller.ask(trying(MOVED))
    controller.ask(ServiceSet("imap", {"listen": ["127.0.0.9:1144"]}))
    with pytest.raises(Refused, match="was changed meanwhile"):
        controller.ask(GiveUp())
    assert listen(controller) == ["127.0.0.9:1144"]
    assert _stored(controller.home) is None


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (trying(AccountAdd("a@example.test", "s3cret")), "this cannot be tried"),
        (trying(trying(MOVED)), "this cannot be tried"),
        (trying(MOVED, 1), "5 to 3600 seconds"),
        (trying(MOVED, 1e9), "5 to 3600 seconds"),
        (trying(ServiceSet("imap", {"listen": "?"})), "imap.listen"),
        (trying(ServiceSet("metrics", {"listen": []})), "changes nothing"),
        (Try({"do": "no such thing"}), "not a request of this release"),
        (Try({}), "not a request of this release"),
    ],
)
def test_what_cannot_be_tried_leaves_nothing_on_trial(controller: Running, request_: Try, told: str) -> None:
    with pytest.raises(Refused, match=told):
        controller.ask(request_)
    assert _stored(controller.home) is None
    controller.ask(trying(MOVED))


def test_a_viewer_tries_nothing(controller: Running) -> None:
    controller.ask(AdminAdd("vera", "viewer"))
    vera = Inside(controller, "vera")
    for request in (trying(MOVED), Keep(), GiveUp()):
        with pytest.raises(Refused, match="this needs the role operator"):
            vera.ask(request)
    vera.close()


def test_a_trial_prints_no_secret() -> None:
    assert "s3cret" not in repr(trying(CertAdd(["*"], "pem", "s3cret")))


# --- the clock's thread ----------------------------------------------------------------------------------------------


@pytest.fixture
def node_db(tmp_path: Path) -> Iterator[Path]:
    with contextlib.closing(connect.writer(tmp_path / "node.db")) as database:
        migrate.migrate(database, "node")
        yield tmp_path / "node.db"


def test_what_cannot_be_taken_back_now_is_tried_again(node_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.control.trial.AGAIN", 0.01)
    tries, done = [], threading.Event()

    def take_back(trial: Trial) -> None:
        tries.append(trial.revision)
        if len(tries) < 3:
            raise Refused("not done: a port is in use")
        done.set()

    found = Trials(node_db, take_back)
    with found.begin(ME, 0.01, 4) as made:
        made(5)
    assert done.wait(10) and tries == [5, 5, 5]
    eventually(lambda: found.current is None, "it is over")


def test_a_clock_that_was_set_back_makes_no_trial_longer(node_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.control.trial.SETTLED", 0.0)
    with contextlib.closing(connect.writer(node_db)) as database:
        trials.put(database, Trial("x", time.time() + 86400, 0.05, "maria", "x", 4, 5))
    done = threading.Event()
    Trials(node_db, lambda trial: done.set()).resume()
    assert done.wait(10)


def test_a_disk_that_takes_nothing_refuses_the_change_before_it_is_made(tmp_path: Path) -> None:
    made = False
    found = Trials(tmp_path / "no" / "node.db", lambda trial: None)
    with pytest.raises(Refused, match="full or failing"), found.begin(ME, 60, 4):
        made = True
    assert not made and found.current is None


def _store(home: Home, trial: Trial) -> None:
    with contextlib.closing(connect.writer(home.node_db)) as database:
        trials.put(database, trial)


def _stored(home: Home) -> Trial | None:
    with contextlib.closing(sqlite3.connect(home.node_db)) as database:
        return trials.get(database)
