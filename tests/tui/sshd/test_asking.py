"""The SSH server's one connection to the controller: kept from others of its user, taken again, handed on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from appliance.control.api import Refused
from appliance.control.api.console import ConsoleAddress
from appliance.control.client import Client
from appliance.control.node import Node
from appliance.home import Home
from tests.control.letting import listening
from tests.services.ports import eventually
from tests.tui.sshd.world import World
from tui.sshd.asking import Asking

QUESTION = ConsoleAddress("192.0.2.7")


@pytest.fixture
def home(world: World) -> Iterator[Home]:
    """Without the scripted controller: the real one's socket is put there."""
    world.controller.close()
    world.home.control_sock.unlink()
    yield world.home


@pytest.fixture
def node(home: Home) -> Iterator[Node]:
    """What the controller serves."""
    with contextlib.closing(Node.open(home)) as opened:
        yield opened


@pytest.fixture
def asking(home: Home) -> Iterator[Asking]:
    """A server that asks."""
    with contextlib.closing(Asking(home)) as started:
        yield started


def is_refused(home: Home) -> bool:
    try:
        with Client.running(home, 10) as client:
            client.ask(QUESTION)
    except Refused as refused:
        return "only one may" in refused.text
    return False


def test_from_its_start_nobody_else_of_its_user_asks(
    asking: Asking, home: Home, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(node, monkeypatch):
        eventually(lambda: is_refused(home), "it is taken before anything is asked")
        assert asking.ask(QUESTION, None)["allowed"]
        assert is_refused(home)


def test_it_is_taken_again_when_the_controller_starts_anew(
    asking: Asking, home: Home, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        with listening(node, monkeypatch):
            assert asking.ask(QUESTION, None)["allowed"]
            assert is_refused(home)
    with pytest.raises((OSError, Refused)):
        asking.ask(QUESTION, None)


def test_a_successor_waits_until_it_is_let_go(
    asking: Asking, home: Home, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(node, monkeypatch):
        assert asking.ask(QUESTION, None)["allowed"]
        with contextlib.closing(Asking(home)) as successor:
            later = threading.Timer(0.3, asking.close)
            later.start()
            assert successor.ask(QUESTION, None)["allowed"]
            later.join()
            with pytest.raises(OSError, match="asks no more"):
                asking.ask(QUESTION, None)
            assert is_refused(home)


def test_many_questions_at_a_time(asking: Asking, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = []
    with listening(node, monkeypatch):
        threads = [threading.Thread(target=lambda: answers.append(asking.ask(QUESTION, None))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [one["allowed"] for one in answers] == [True] * 8
