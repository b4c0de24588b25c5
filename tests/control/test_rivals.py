"""The right to say who administrators are: one connection of the console's user has it, whoever else of it asks."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from appliance.control.api import Refused, Request
from appliance.control.api.admins import AdminAdd
from appliance.control.api.console import (
    BY_KEY,
    ConsoleAddress,
    ConsoleEnter,
    ConsoleKey,
    ConsoleOpen,
    ConsolePassword,
    ConsoleWho,
)
from appliance.control.api.live import Status
from appliance.control.client import Client
from appliance.control.commands import answer
from appliance.control.node import Node
from appliance.control.reception import OPENED, Reception
from appliance.home import Home
from tests.control.letting import listening
from tests.control.running import TESTER
from tests.services.ports import eventually

HERE = "192.0.2.7"
RIGHTS: list[Request] = [
    ConsoleAddress(HERE), ConsoleKey("maria", "", HERE), ConsolePassword("maria", "x", "", HERE),
    ConsoleEnter("maria", HERE, BY_KEY), ConsoleOpen(),
]  # fmt: skip


@pytest.fixture
def node(home: Home) -> Iterator[Node]:
    """With an owner."""
    with contextlib.closing(Node.open(home)) as opened:
        list(answer(opened, TESTER, AdminAdd("maria", "owner")))
        yield opened


@pytest.fixture
def here(node: Node, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reception]:
    """All who connect are postern-console."""
    with listening(node, monkeypatch) as reception:
        yield reception


def connected(home: Home) -> Client:
    return Client.running(home, 10)


def may_ask(home: Home) -> bool:
    try:
        with connected(home) as client:
            return bool(client.ask(ConsoleAddress(HERE)).value["allowed"])
    except Refused:
        return False


@pytest.mark.parametrize("request_", RIGHTS, ids=lambda one: type(one).__name__)
def test_a_second_process_is_refused_while_the_first_is_there(here: Reception, home: Home, request_: Request) -> None:
    with connected(home) as first:
        assert first.ask(ConsoleAddress(HERE)).value["allowed"]
        ours, theirs = socket.socketpair()
        with ours, theirs, connected(home) as second, pytest.raises(Refused, match="only one may"):
            second.ask(request_, file=theirs)
        assert first.ask(ConsoleAddress(HERE)).value["allowed"], "the first goes on"
    eventually(lambda: may_ask(home), "it is another's turn")


def test_it_is_told_once_in_the_log(here: Reception, home: Home, caplog: pytest.LogCaptureFixture) -> None:
    with connected(home) as first:
        first.ask(ConsoleAddress(HERE))
        for _ in range(3):
            assert not may_ask(home)
    assert caplog.text.count("a second process wants to ask who administrators are") == 1


def test_the_first_has_more_conversations_which_end_with_it(here: Reception, home: Home) -> None:
    with connected(home) as first:
        more = [Client.on(first.more()) for _ in range(OPENED - 1)]
        for client in more:
            assert client.ask(ConsoleAddress(HERE)).value["allowed"]
            with pytest.raises(Refused, match="postern-console is no administrator"):
                client.ask(Status())
        with pytest.raises(Refused, match="too many conversations"):
            first.more()
        more.pop().close()
        eventually(lambda: has_one_more(more[0]), "a place is free")
    eventually(lambda: may_ask(home), "it is another's turn")
    for client in more:
        with pytest.raises((Refused, OSError)):
            client.ask(ConsoleAddress(HERE))
        client.close()


def has_one_more(client: Client) -> bool:
    try:
        client.more().close()
    except Refused:
        return False
    return True


def test_who_was_let_in_stays_when_the_server_goes(here: Reception, home: Home) -> None:
    ours, theirs = socket.socketpair()
    with connected(home) as first, theirs:
        first.ask(ConsoleEnter("maria", HERE, BY_KEY), file=theirs)
    eventually(lambda: may_ask(home), "the server is gone")
    with Client.on(ours) as maria:
        assert maria.ask(ConsoleWho()).value["name"] == "maria"
        for request in RIGHTS[:4]:
            with pytest.raises(Refused, match="only the console's SSH server may ask this"):
                maria.ask(request)
