"""The console's screens of the configuration, before a real node: what a key does there is so on the node then."""

from __future__ import annotations

import imaplib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual import events

from appliance.control.api import Request
from appliance.control.api.trial import Try
from appliance.control.client import Client
from appliance.home import Home
from tests.node.conftest import NewNode, Stores
from tests.services.authority import Authority
from tests.services.node import Node
from tests.services.people import MARIA
from tests.services.ports import free_port
from tests.tui.configured import fill
from tests.tui.stage import Stage, Story, play
from tui import place

SECONDS = 5.0  # that a change is on trial here


@pytest.fixture
def quick_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change is on trial for seconds, not for a minute."""

    def tried(request: Request) -> Request:
        return Try(msgspec.to_builtins(request), SECONDS)

    monkeypatch.setattr(place, "_tried", tried)


@pytest.fixture
def running(new_node: NewNode) -> Iterator[Node]:
    """A node of the test's own."""
    node = new_node()
    with node:
        yield node


def tell(node: Node, story: Story) -> None:
    """The story, at this node's console."""
    play(lambda: Client.connect(Home(node.home)), story, size=(100, 30))


def settings(node: Node, name: str) -> dict[str, Any]:
    """What a command shows."""
    return {one["name"]: one for one in node.cli("service", "show", name)["settings"]}


def answers(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def public_key(folder: Path) -> str:
    """A new one, as OpenSSH writes it."""
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "jonas@laptop", "-f", str(folder / "k")]
    subprocess.run(make, check=True)
    return (folder / "k.pub").read_text().strip()


def test_a_listener_moved_on_trial_comes_back_by_itself(running: Node, quick_trials: None) -> None:
    port = free_port(running.host)

    async def story(stage: Stage) -> None:
        stage.app.go("services")
        await stage.sees("IMAP", f"{running.host}:{running.imap}")
        await stage.press("enter")
        await stage.sees("proxy_protocol_from")
        await stage.press("j", "enter")
        await fill(stage, f"{running.host}:{port}")
        await stage.sees(f"was {running.host}:{running.imap}")
        await stage.press("A")
        await stage.sees("Apply 1 change to imap?", f"--try {60}")
        await stage.press("y")
        await stage.until(lambda: answers(running.host, port), "the new address answers")
        await stage.until(lambda: not answers(running.host, running.imap), "the old address is closed")
        await stage.until(lambda: answers(running.host, running.imap), "the old address is back")
        await stage.until(lambda: not answers(running.host, port), "the new address is closed")

    tell(running, story)
    assert settings(running, "imap")["listen"]["value"] == [f"{running.host}:{running.imap}"]


def test_a_listener_moved_on_trial_and_kept_stays(running: Node) -> None:
    port = free_port(running.host)

    async def story(stage: Stage) -> None:
        stage.app.go("services")
        await stage.sees("IMAP", f"{running.host}:{running.imap}")
        await stage.press("enter")
        await stage.sees("proxy_protocol_from")
        await stage.press("j", "enter")
        await fill(stage, f"{running.host}:{port}")
        await stage.press("A", "y")
        await stage.until(lambda: stage.app.trial, "the console knows of the trial")
        await stage.press("K")
        await stage.until(lambda: stage.app.trial is None, "it is kept")

    tell(running, story)
    assert settings(running, "imap")["listen"]["value"] == [f"{running.host}:{port}"]
    assert "trial" not in running.cli("audit", "list", "--limit", "1")[0]["what"]


def test_a_limit_set_in_the_form_and_taken_back_in_the_audit(running: Node) -> None:
    async def sets(stage: Stage) -> None:
        stage.app.go("limits")
        await stage.sees("preauth_seconds")
        await stage.press(*["j"] * 9, "enter")
        await fill(stage, "0")
        await stage.press("A", "y")
        await stage.sees("✗", "must be a whole number")  # the node's word, at its field
        await stage.press("enter")
        await fill(stage, "7")
        await stage.press("A")
        await stage.sees("attempts: 4 → 7")
        await stage.press("y")
        await stage.sees("postern service set limits attempts=7")

    tell(running, sets)
    assert settings(running, "limits")["attempts"]["value"] == 7

    async def reverts(stage: Stage) -> None:
        stage.app.go("audit")
        await stage.sees("changed attempts of limits")
        await stage.press("enter")
        await stage.sees("attempts", "→  7")
        await stage.press("R")
        await stage.sees("Take back", "attempts: 7 → (none)")
        await stage.press("y")
        await stage.sees("postern audit revert")

    tell(running, reverts)
    assert settings(running, "limits")["attempts"]["set"] is False


def test_two_administrators_at_one_limit_see_each_other(running: Node) -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("limits")
        await stage.sees("preauth_seconds")
        await stage.press(*["j"] * 9, "enter")
        await fill(stage, "7")
        await stage.sees("was 4")
        running.cli("service", "set", "limits", "attempts=9")
        await stage.sees("Somebody else set it to 9 meanwhile")

    tell(running, story)
    assert settings(running, "limits")["attempts"]["value"] == 9


def test_an_administrator_with_a_key(running: Node, tmp_path: Path) -> None:
    key = public_key(tmp_path)

    async def story(stage: Stage) -> None:
        stage.app.go("administrators")
        await stage.sees("Nobody yet")
        await stage.press("A")
        await fill(stage, "jonas")
        await stage.sees("What may jonas do?")
        await stage.press("3")
        await fill(stage, key)
        await stage.sees("Add jonas as owner?")
        await stage.press("y")
        await stage.sees("SHA256:", "jonas@laptop", "owner")
        await stage.press("T")
        await stage.sees("Each log-in asks for a code")
        await stage.press("y")
        await stage.sees("It is not shown again", "█")
        await stage.press("escape")
        await stage.sees_no("It is not shown again")

    tell(running, story)
    (jonas,) = running.cli("admin", "list")
    assert (jonas["name"], jonas["role"], jonas["totp"]) == ("jonas", "owner", True)
    assert jonas["keys"][0]["comment"] == "jonas@laptop"


def test_bans_are_made_and_lifted(running: Node) -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("bans")
        await stage.press("A")
        await fill(stage, "192.0.2.0/24")
        await fill(stage, "2h")
        await fill(stage, "guessing")
        await stage.sees("Refuse 192.0.2.0/24?", "for 2h 00m")
        await stage.press("y")
        await stage.sees("192.0.2.0/24", "guessing", "1h 59m")
        assert [ban["reason"] for ban in running.cli("ban", "list")] == ["guessing"]
        await stage.press("L")
        await stage.sees("Lift the ban of 192.0.2.0/24?")
        await stage.press("y")
        await stage.until(lambda: running.cli("ban", "list") == [], "it is lifted")

    tell(running, story)


def test_a_certificate_is_pasted_and_shown_to_clients(running: Node, authority: Authority) -> None:
    pair = authority.issue("imap.example.test")
    pem = pair.key.read_text() + pair.chain.read_text()  # in the wrong order, which is all right

    async def story(stage: Stage) -> None:
        stage.app.go("certificates")
        await stage.sees("serves its names")
        await stage.press("A")
        await fill(stage, "imap.example.test")
        await stage.until(lambda: type(stage.app.focused).__name__ == "Paste", "a place to paste to")
        assert stage.app.focused is not None
        stage.app.focused.post_message(events.Paste(pem))
        await stage.sees("✓ certificate", "✓ key")
        assert "PRIVATE KEY" not in stage.text()
        await stage.press("ctrl+s")
        await stage.sees("Use it for imap.example.test?")
        await stage.press("y")
        await stage.until(lambda: stage.app.trial, "it is on trial")
        await stage.press("K")
        await stage.until(lambda: stage.app.trial is None, "it is kept")

    tell(running, story)
    assert ["imap.example.test"] in [one["names"] for one in running.cli("cert", "list")]
    assert "PRIVATE" not in str(running.cli("audit", "show", running.cli("audit", "list")[0]["id"]))


async def six_questions(stage: Stage, stores: Stores, key: str) -> None:
    """All but the log-in."""
    await stage.sees("Seven questions", "Domains")
    await stage.press("enter")
    await fill(stage, "example.test")
    await stage.sees("✓", "example.test")
    await stage.press("n", "enter")
    await fill(stage, f"{stores.alpha.host}:{stores.alpha.imap}")
    await stage.sees("How is the way there protected?")
    await stage.press("enter")
    await stage.sees("✓ imap", "greeting:", "mail1 at", ", up")
    await stage.press("n", "enter")
    await stage.sees("Which certificate are clients shown?")
    await stage.press("enter", "n", "enter")
    await stage.sees("everybody of example.test lives on mail1")
    await stage.press("enter")
    await stage.sees("people: 1 entry")
    await stage.press("n", "enter")
    await stage.sees("Who says whether a password is right?")
    await stage.press("enter")
    await stage.sees("the mail store decides")
    await stage.press("n", "enter")
    await fill(stage, "maria")
    await fill(stage, key)
    await stage.sees("6 of 7")


def test_first_run_from_an_empty_home_to_a_log_in(folder: Path, stores: Stores, tmp_path: Path) -> None:
    node = Node(folder)
    node.init()
    node.configuration |= {"site": {}, "map": [], "auth": {}}
    for service in ("imap", "pop3", "sieve"):
        del node.configuration[service]["map"]
    node.apply()

    async def story(stage: Stage) -> None:
        await six_questions(stage, stores, public_key(tmp_path))
        await stage.press("n", "enter")
        await fill(stage, MARIA.address)
        await fill(stage, MARIA.password)
        await stage.sees("✓ Mail flows", "route: route mail1", "log: imap ok", "7 of 7")
        assert MARIA.password not in stage.text()

    with node:
        tell(node, story)
        client = imaplib.IMAP4(node.host, node.imap, timeout=20)
        assert client.login(*MARIA)[0] == "OK"
        client.logout()
    assert MARIA.password not in node.log()
