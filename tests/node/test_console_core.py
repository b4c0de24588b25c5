"""The console on a real node with real stores: what it shows is so, and what it does is done."""

from __future__ import annotations

import contextlib
import imaplib

import pytest

from appliance.control.client import Client
from appliance.home import Home
from tests.node.conftest import NewNode
from tests.services.node import Node
from tests.services.people import MARIA, OTTO, WRONG
from tests.tui.stage import Stage, play
from tui.node import Connect


def way(node: Node) -> Connect:
    """As `postern tui` on the node."""
    return lambda: Client.connect(Home(node.home))


def ended(client: imaplib.IMAP4) -> bool:
    """Whether the server hung up."""
    try:
        client.noop()
    except (imaplib.IMAP4.abort, OSError):
        return True
    return False


@pytest.fixture
def fresh(new_node: NewNode) -> Node:
    """A running node of the test's own."""
    node = new_node()
    node.start()
    return node


def test_the_overview_says_whether_mail_flows(fresh: Node) -> None:
    with contextlib.closing(fresh.logged_in(*MARIA).socket()):

        async def story(stage: Stage) -> None:
            await stage.sees("IMAP", "POP3", "Sieve", "alpha", "beta", "up")
            await stage.until(lambda: _sessions(stage, "imap") == 1, "the session is counted")
            fresh.cli("backend", "drain", "beta")
            await stage.sees("▲ drain")
            fresh.cli("backend", "enable", "beta")
            await stage.sees_no("▲ drain")

        play(way(fresh), story, (120, 40))


def _sessions(stage: Stage, service: str) -> int:
    told = stage.app.facts.get("overview", {}).get("services", [])
    return next((one["sessions"] for one in told if one["name"] == service), -1)


def test_three_sessions_appear_and_one_is_ended(fresh: Node) -> None:
    clients = [fresh.logged_in(*who) for who in (MARIA, MARIA, OTTO)]

    async def story(stage: Stage) -> None:
        await stage.sees("s sessions")
        await stage.press("s")
        await stage.sees("3 sessions", MARIA.address, OTTO.address, "alpha")
        await stage.press("slash")
        await stage.type(OTTO.address.partition("@")[0])
        await stage.sees("1 of 3 sessions match")
        await stage.press("enter", "K")
        await stage.sees("End 1 session?", OTTO.address)
        await stage.press("y")
        await stage.sees("done: postern session kick")
        await stage.press("escape", "escape", "escape")
        await stage.press("s")
        await stage.sees("2 sessions")
        assert OTTO.address not in stage.text()

    play(way(fresh), story, (120, 40))
    assert [ended(client) for client in clients] == [False, False, True]


def test_maria_cannot_log_in_and_why(fresh: Node) -> None:
    client = fresh.logged_in(*MARIA)
    with pytest.raises(imaplib.IMAP4.error):
        fresh.logged_in(MARIA.address, WRONG)

    async def story(stage: Stage) -> None:
        await stage.press("slash")
        await stage.type(MARIA.address.partition("@")[0])
        await stage.sees(MARIA.address, "alpha")
        await stage.press("enter")
        await stage.sees("goes to alpha", "by map people", "Now: 1 session", "refused: wrong password")
        await stage.press("e")
        await stage.sees("lives on alpha", "postern route", "were alpha down", "UNAVAILABLE")
        await stage.press("escape", "M")
        await stage.sees("Move")
        await stage.press("2")
        await stage.sees("1 session would stay")
        await stage.press("2")
        await stage.sees("lives on beta?")
        await stage.press("y")
        await stage.sees("done: postern map put people", "goes to beta", "Not connected")
        await stage.press("escape", "u")
        await stage.sees("Undo")
        await stage.press("y")
        await stage.sees("goes to alpha")

    play(way(fresh), story, (120, 40))
    assert ended(client)
    assert fresh.cli("map", "get", "people", MARIA.address)["backend"] == "alpha"


def test_the_same_by_commands(fresh: Node) -> None:
    client = fresh.logged_in(*MARIA)
    assert [row["user"] for row in fresh.cli("session", "list", "--find", "maria")] == [MARIA.address]
    assert fresh.cli("session", "list", "--find", "nobody-so-called") == []
    assert "give it alone" in fresh.run("session", "list", "--find", "x", "--user", "y").stderr
    route = fresh.cli("route", MARIA.address, "--down", "alpha", status=1)
    assert route["verdict"] == "temporary" and "UNAVAILABLE" in route["told"]
    assert fresh.cli("route", MARIA.address)["verdict"] == "route", "to ask changes nothing"
    assert "no back-end 'gamma'" in fresh.run("route", MARIA.address, "--down", "gamma").stderr
    client.logout()


def test_a_node_that_goes_is_said_and_found_again(fresh: Node) -> None:
    async def story(stage: Stage) -> None:
        await stage.sees("IMAP")
        fresh.kill()
        await stage.sees("no connection")
        fresh.start()
        await stage.sees_no("no connection")

    play(way(fresh), story, (120, 40))
