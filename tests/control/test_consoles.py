"""Administrators' processes: who may let them in, what they may ask, and what ends them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from appliance.control.api import Refused, Request
from appliance.control.api.accounts import AccountAdd, AccountList
from appliance.control.api.admins import AdminAdd, AdminList, AdminPassword, AdminRemove, AdminRole
from appliance.control.api.audit import AuditList, AuditRevert
from appliance.control.api.console import (
    BY_KEY,
    ConsoleAddress,
    ConsoleCode,
    ConsoleEnter,
    ConsoleKey,
    ConsoleOpen,
    ConsolePassword,
    ConsoleWho,
)
from appliance.control.api.live import LogTail, Status
from appliance.control.api.watch import Overview
from appliance.control.client import Client
from appliance.control.doorkeeper import MOST
from appliance.control.entered import CONVERSATIONS
from appliance.control.reception import ENTERED
from tests.control.letting import CLIENT, Inside
from tests.control.running import Running
from tests.services.ports import eventually

Enter = Callable[..., Inside]


@pytest.fixture
def enter(controller: Running) -> Iterator[Enter]:
    """Lets in; `maria` is an owner, `olga` an operator, `vera` a viewer."""
    made: list[Inside] = []
    for name, role in (("maria", "owner"), ("olga", "operator"), ("vera", "viewer")):
        controller.ask(AdminAdd(name, role))

    def enter(name: str, locked: bool = False) -> Inside:
        made.append(Inside(controller, name, locked))
        return made[-1]

    yield enter
    for one in made:
        one.close()


def test_an_administrator_is_who_asks(enter: Enter) -> None:
    olga = enter("olga")
    assert olga.role == "operator"
    assert olga.ask(ConsoleWho()).value == {
        "name": "olga", "role": "operator", "node": "mail1", "locked": False, "password": False, "totp": False,
    }  # fmt: skip
    olga.ask(AccountAdd("a@example.test", "s3cret"))
    change = olga.ask(AuditList(limit=1)).value[0]
    assert (change["by"], change["origin"]) == ("olga", "ssh 192.0.2.7")
    seen = {row["name"]: row["seen"] for row in olga.ask(AdminList()).value}
    assert seen["olga"] > 1_700_000_000 and seen["vera"] is None


def test_a_key_makes_an_address_trusted_whoever_gave_a_password_just_before(
    enter: Enter, controller: Running
) -> None:
    controller.ask(AdminPassword("vera", "correct horse"))
    assert controller.ask(ConsolePassword("vera", "correct horse", "", CLIENT)).value["allowed"]
    enter("vera")
    assert controller.ask(ConsoleAddress(CLIENT, MOST)).value["allowed"]


def test_an_entry_by_nothing_known_is_none(controller: Running) -> None:
    for by in ("", "guess"):
        with pytest.raises(Refused, match="by one of: key, password"):
            controller.ask(ConsoleEnter("vera", CLIENT, by))


def test_consoles_are_counted_as_sessions_and_log_ins(enter: Enter, controller: Running) -> None:
    def console() -> dict[str, Any]:
        rows = controller.ask(Overview()).value["overview"]["services"]
        return next(row for row in rows if row["name"] == "console")

    olga, _ = enter("olga"), enter("vera")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        olga.ask(ConsoleOpen(), file=theirs)
        eventually(lambda: console()["sessions"] == 2, "a process is one, whatever it has open")
    controller.ask(ConsoleAddress("192.0.2.9", failed=3))
    eventually(lambda: (console()["log_ins"], console()["failed"]) == (2, 3), "the minute's log-ins")
    olga.close()
    eventually(lambda: console()["sessions"] == 1, "who left is no session")


def test_a_role_is_what_it_is_at_each_request(enter: Enter) -> None:
    maria, olga = enter("maria"), enter("olga")
    with pytest.raises(Refused, match="this needs the role owner; olga is operator"):
        olga.ask(AdminRole("olga", "owner"))
    maria.ask(AdminRole("olga", "viewer"))
    with pytest.raises(Refused, match="this needs the role operator; olga is viewer"):
        olga.ask(AccountAdd("a@example.test", "s3cret"))
    assert olga.ask(AccountList()).value == []


def test_who_is_removed_is_shown_out_at_once_also_of_a_stream(enter: Enter, controller: Running) -> None:
    olga, vera = enter("olga"), enter("vera")
    stream = olga.replies(LogTail())
    next(stream)
    controller.ask(AdminRemove("olga"))
    assert list(stream) == []
    with pytest.raises(Refused, match="no administrator 'olga'"):
        enter("olga")
    assert vera.ask(Status()).value["node"] == "mail1"


def test_a_removed_administrator_hears_nothing_between_two_requests(enter: Enter, controller: Running) -> None:
    olga = enter("olga")
    olga.ask(Status())
    controller.ask(AdminRemove("olga"))
    with pytest.raises(Refused):
        olga.ask(Status())


def test_an_administrator_lets_nobody_in(enter: Enter) -> None:
    maria = enter("maria")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        requests: list[Request] = [ConsoleEnter("vera", "x", BY_KEY), ConsoleKey("vera", "", "x")]
        for request in requests:
            with pytest.raises(Refused, match="only the console's SSH server may ask this"):
                maria.ask(request, file=theirs)


def test_clients_of_an_inherited_conversation_are_that_administrator(
    enter: Enter, controller: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enter("vera").inherited(monkeypatch):
        clients = [Client.connect(controller.home) for _ in range(CONVERSATIONS - 1)]
        for client in clients:
            assert client.ask(ConsoleWho()).value["name"] == "vera"
        with pytest.raises(Refused, match="too many conversations"):
            Client.connect(controller.home)
        for client in clients:
            client.close()
        assert eventually(lambda: _who(controller), "a place is free") == "vera"


def _who(controller: Running) -> str:
    try:
        with Client.connect(controller.home) as client:
            return str(client.ask(ConsoleWho()).value["name"])
    except Refused:
        return ""


def test_consoles_leave_room_for_this_machines_own_commands(enter: Enter, controller: Running) -> None:
    for _ in range(ENTERED):
        enter("vera")
    with pytest.raises(Refused, match="conversations of consoles are open already"):
        enter("maria")
    assert controller.ask(ConsoleWho()).value["role"] == "owner"


def test_when_the_controller_is_gone_the_console_says_what_to_do(
    enter: Enter, controller: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enter("vera").inherited(monkeypatch) as patched:
        controller.stop()
        with pytest.raises(Refused, match="has ended: open the console again"):
            Client.connect(controller.home)
        patched.setenv("POSTERN_CONTROL_FD", "x")
        with pytest.raises(Refused, match="no conversation with the node"):
            Client.connect(controller.home)


def test_the_control_socket_itself_is_nobody_who_was_let_in(controller: Running) -> None:
    assert controller.ask(ConsoleWho()).value["role"] == "owner"
    requests: list[Request] = [ConsoleCode("123456"), ConsoleOpen()]
    for request in requests:
        with pytest.raises(Refused):
            controller.ask(request)


def test_what_comes_with_an_entry_must_be_a_stream_socket(enter: Enter, controller: Running) -> None:
    del enter
    with open("/dev/null", "rb") as null, pytest.raises(Refused, match="stream socket"):
        controller.ask(ConsoleEnter("vera", "x", BY_KEY), file=null)
    with pytest.raises(Refused, match="stream socket"):
        controller.ask(ConsoleEnter("vera", "x", BY_KEY))
    assert controller.ask(Status()).value["node"] == "mail1"


def test_locked_nothing_is_answered_before_the_code(enter: Enter, controller: Running) -> None:
    controller.ask(AdminPassword("olga", "correct horse"))
    olga = enter("olga", locked=True)
    assert olga.ask(ConsoleWho()).value["locked"]
    assert {row["name"]: row["seen"] for row in controller.ask(AdminList()).value}["olga"] is None
    for request in (Status(), AccountList(), AdminPassword("olga", "mine from now on"), LogTail()):
        with pytest.raises(Refused, match="locked"):
            olga.ask(request)
    with pytest.raises(Refused, match="not right"):
        olga.ask(ConsoleCode("wrong horse"))
    olga.ask(ConsoleCode("correct horse"))
    assert olga.ask(Status()).value["node"] == "mail1"
    assert {row["name"]: row["seen"] for row in controller.ask(AdminList()).value}["olga"]


def test_locked_the_fifth_wrong_code_is_the_end_of_all_conversations(
    enter: Enter, controller: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller.ask(AdminPassword("olga", "correct horse"))
    olga = enter("olga", locked=True)
    with olga.inherited(monkeypatch), Client.connect(controller.home) as second:
        assert second.ask(ConsoleWho()).value["locked"]
        for _ in range(4):
            with pytest.raises(Refused, match="not right"):
                olga.ask(ConsoleCode("wrong horse"))
        with pytest.raises(Refused, match="wrong 5 times: the console ends"):
            second.ask(ConsoleCode("wrong horse"))
        for client in (olga, second):
            with pytest.raises((Refused, OSError)):
                client.ask(ConsoleWho())


def test_what_an_owner_changed_is_reverted_by_owners_alone(enter: Enter, controller: Running) -> None:
    controller.ask(AdminRole("olga", "viewer"))
    demoted = controller.ask(AuditList(limit=1)).value[0]["id"]
    controller.ask(AdminAdd("oleg", "operator"))
    with pytest.raises(Refused, match="only an owner changes administrators"):
        enter("oleg").ask(AuditRevert(demoted))
    enter("maria").ask(AuditRevert(demoted))
    assert enter("olga").role == "operator"
