"""Who may ask what: every request, every role. A new request must be entered here by hand."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.control import reception
from appliance.control.api import Failed, Refused, Reply, Request
from appliance.control.api.admins import AdminAdd, AdminList, AdminPassword, AdminTotp
from appliance.control.api.console import BY_KEY, ConsoleEnter
from appliance.control.commands import LETS_IN, OPERATOR, OWNER, VIEWER, Command, all_handlers, answer
from appliance.control.entered import Entered
from appliance.control.node import By, Node
from appliance.control.reception import Reception
from appliance.home import Home
from tests.control.running import TESTER, Running

LOOKING = """
account list, admin list, admin password, admin totp, audit list, audit show, backend check, backend find, backend
list, backend show, ban list, cert check, cert list, config diff, config export, console code, console open, console
who, find, log tail, map entries, map export, map get, map list, map show, overview, route, service list, service
show, session list, session page, settings new, status, watch, console uploads
"""
RUNNING = """
account add, account disable, account enable, account import, account password, account remove, audit revert,
backend add, backend drain, backend enable, backend remove, backend set, ban add, ban lift, cert add, cert remove,
config apply, config give-up, config keep, console upload text, console uploaded,
map create, map delete, map import, map put, map remove, map set, map undo,
service set, session kick, try
"""
OWNING = "admin add, admin key add, admin key remove, admin remove, admin role, backup, restore"
LETTING_IN = "console address, console enter, console key, console password"
LEAST = {
    " ".join(tag.split()): role
    for role, tags in ((VIEWER, LOOKING), (OPERATOR, RUNNING), (OWNER, OWNING), (LETS_IN, LETTING_IN))
    for tag in tags.split(",")
}
# A role as it may come: an administrator of each, locked, the console's server, whoever owns the machine.
WHO = {
    "viewer": By("vera", "ssh x", VIEWER, entered=Entered("vera", "x")),
    "operator": By("olga", "ssh x", OPERATOR, entered=Entered("olga", "x")),
    "owner": By("maria", "ssh x", OWNER, entered=Entered("maria", "x")),
    "locked": By("maria", "ssh x", OWNER, entered=Entered("maria", "x", locked=True)),
    "console": By("postern-console", "control socket", "no administrator", lets_in=True),
    "root": By("root", "control socket", lets_in=True),
    "group": By("alice", "control socket"),
    "nonsense": By("mallory", "ssh x", "owners", entered=Entered("mallory", "x")),
}
MAY = {
    "viewer": {VIEWER},
    "operator": {VIEWER, OPERATOR},
    "owner": {VIEWER, OPERATOR, OWNER},
    "locked": set[str](),
    "console": {LETS_IN},
    "root": {VIEWER, OPERATOR, OWNER, LETS_IN},
    "group": {VIEWER, OPERATOR, OWNER},
    "nonsense": set[str](),
}
AT_THE_DOOR = {"console who", "console code", "console open"}
BY_TAG = {kind.__struct_config__.tag: kind for kind in all_handlers()}


def test_the_table_is_whole() -> None:
    assert {tag: command.role for tag, command in ((tag, all_handlers()[BY_TAG[tag]]) for tag in BY_TAG)} == LEAST


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("tag", LEAST)
def test_a_request_reaches_its_handler_for_those_who_may_ask_it(
    tag: str, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler of each is replaced by one that says so: what is tested is the way to it."""
    kind = BY_TAG[tag]
    monkeypatch.setattr("appliance.control.commands.command_of", lambda of: Command(_reached, all_handlers()[of].role))
    node: Any = None
    last = list(answer(node, WHO[who], _some(kind)))[-1]
    may = LEAST[tag] in MAY[who] or (who == "locked" and tag in AT_THE_DOOR)
    assert isinstance(last, Failed)
    assert (last.text == "reached") == may, last.text


def _reached(*_: object) -> Reply:
    raise Refused("reached")


def _some(kind: type[Request]) -> Request:
    fields = kind.__struct_fields__
    return kind(*(None for _ in fields))


# --- one's own ---------------------------------------------------------------------------------------------------


@pytest.fixture
def node(home: Home) -> Iterator[Node]:
    """With three administrators."""
    with contextlib.closing(Node.open(home)) as opened:
        for name, role in (("maria", OWNER), ("olga", OPERATOR), ("vera", VIEWER)):
            list(answer(opened, TESTER, AdminAdd(name, role)))
        yield opened


@pytest.mark.parametrize(
    ("who", "whose", "may"),
    [("viewer", "vera", True), ("viewer", "olga", False), ("operator", "vera", False), ("owner", "vera", True),
     ("locked", "maria", False), ("console", "vera", False), ("group", "vera", True)],
)  # fmt: skip
def test_password_and_codes_are_ones_own_or_the_owners(node: Node, who: str, whose: str, may: bool) -> None:
    for request in (AdminPassword(whose, "correct horse"), AdminTotp(whose)):
        last = list(answer(node, WHO[who], request))[-1]
        assert isinstance(last, Failed) != may, last
    rows = {row["name"]: row for row in list(answer(node, TESTER, AdminList()))[-1].value}  # type: ignore[union-attr]
    assert (rows[whose]["password"], rows[whose]["totp"]) == (may, may)


def test_a_user_of_this_machine_who_is_called_like_an_administrator_is_not_that_one(node: Node) -> None:
    last = list(answer(node, By("vera", "control socket", VIEWER), AdminPassword("vera", "correct horse")))[-1]
    assert isinstance(last, Failed)


# --- who is who on the control socket ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uid", "name", "role", "lets_in"),
    [(0, "root", OWNER, True), (4242, "postern-console", "no administrator", True), (4243, "somebody", None, None)],
)
def test_who_is_told_by_the_kernel(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, name: str, role: str, lets_in: bool
) -> None:
    """Users that this machine has not: the system's answers stand in for them."""
    monkeypatch.setattr(reception, "peer_of", lambda link: (1, uid, uid))
    monkeypatch.setattr("pwd.getpwuid", lambda of: type("Entry", (), {"pw_name": name}))
    here = Reception(node, tmp_path / "c.sock")
    try:
        with socket.socket(socket.AF_UNIX) as link:
            by = here._who(link)
        assert by == (By(name, "control socket", role, lets_in=lets_in) if role else None)
    finally:
        here.close()


def test_root_enters_nobody_who_is_no_administrator(controller: Running) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(Refused, match="no administrator 'mallory'"):
        controller.ask(ConsoleEnter("mallory", "192.0.2.7", BY_KEY), file=theirs)
