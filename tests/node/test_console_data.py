"""The console's screens about people's data, played by keys against a real node with real stores."""

from __future__ import annotations

import imaplib
import re
from pathlib import Path

import pytest
from textual.widgets import Input

from appliance.control.client import Client
from appliance.home import Home
from tests.node.conftest import NewNode
from tests.services.node import Node
from tests.services.people import MAP, MARIA, OTTO, WRONG
from tests.services.ports import eventually
from tests.tui.stage import Stage, play
from tui.node import Connect

MANY = 100_000


def way(node: Node) -> Connect:
    """As `postern tui` goes."""
    return lambda: Client.connect(Home(node.home))


async def answer(stage: Stage, question: str, text: str) -> None:
    """A prompt, and what is pasted into it."""
    await stage.sees(question)
    await stage.until(lambda: isinstance(stage.app.focused, Input), "a line to type in")
    assert isinstance(stage.app.focused, Input)
    stage.app.focused.value = text
    await stage.press("enter")


def entries(node: Node) -> int:
    return int(node.cli("map", "show", "people")["entries"])


def test_a_hundred_thousand_rows_are_imported_and_taken_back(new_node: NewNode, folder: Path) -> None:
    file = folder / "users.csv"
    rows = [f"u{number:06}@example.test,{'alpha' if number % 2 else 'beta'}\n" for number in range(MANY)]
    file.write_text("".join(rows) + f"{OTTO.address},alpha\nno address,alpha\nlost@example.test,gamma\n")

    async def story(stage: Stage) -> None:
        stage.app.go("maps")
        await stage.sees("people", "sqlite", str(len(MAP)))
        await stage.press("I", "p")
        await answer(stage, "Path of the file", str(file))
        await stage.sees("A applies it: 100,000 new, 1 moved, skip 2 wrong lines", "beta → alpha 1",
                         "line 100,002: 'no address' is no address", "u000000@example.test → beta")  # fmt: skip
        assert entries(node) == len(MAP)
        await stage.press("m")
        await stage.sees(f"{len(MAP) - 1} gone")
        await stage.press("m", "A")
        await stage.sees("Import into people?", "1 live elsewhere then", "--merge", "--skip-errors")
        await stage.press("2")
        await stage.sees("%", "writing")
        await stage.sees("Imported: 100,000 new, 1 moved.")
        assert entries(node) == len(MAP) + MANY
        await stage.press("u")
        await stage.sees("from before its last import back?", f"then {len(MAP)} entries")
        await stage.press("2")
        await stage.sees("done: postern map undo people")
        assert entries(node) == len(MAP)

    with new_node() as node:
        play(way(node), story)


def test_an_uploaded_file_is_imported(new_node: NewNode) -> None:
    async def story(stage: Stage) -> None:
        (node.home / "drop" / "jonas:users.csv").write_text("new@example.test,alpha\n")
        stage.app.go("maps")
        await stage.sees("people", "sqlite")
        await stage.press("I")
        await stage.sees("users.csv", "jonas")
        await stage.press("enter")
        await stage.sees("uploaded", "by jonas", "new@example.test → alpha", "A applies it: 1 new.")
        await stage.press("A", "2")
        await stage.sees("Imported: 1 new.", "done: postern map import people upload:users.csv --merge")

    with new_node() as node:
        play(way(node), story)
        assert node.cli("map", "get", "people", "new@example.test")["backend"] == "alpha"


def test_an_import_that_is_left_changes_nothing(new_node: NewNode, folder: Path) -> None:
    file = folder / "users.csv"
    file.write_text("".join(f"u{number:06}@example.test,alpha\n" for number in range(4 * MANY)))

    async def story(stage: Stage) -> None:
        stage.app.go("maps")
        await stage.sees("people", "sqlite")
        await stage.press("I", "p")
        await answer(stage, "Path of the file", str(file))
        await stage.sees("A applies it: 400,000 new")
        await stage.press("A", "2")
        await stage.sees("writing", "Esc gives up")
        await stage.press("escape")
        await stage.sees("given up: nothing was changed")

    with new_node() as node:
        play(way(node), story)
        assert entries(node) == len(MAP)
        # the node noticed: the next import is not refused as the second one
        eventually(lambda: node.run("map", "import", "people", str(file), "--merge", "--dry-run").returncode == 0,
                   "the import is given up")  # fmt: skip


def test_entries_are_found_moved_added_and_removed(new_node: NewNode) -> None:
    async def story(stage: Stage) -> None:
        client = node.logged_in(*OTTO)
        stage.app.go("maps", "people")
        await stage.sees(f"1 to {len(MAP)} of {len(MAP)}")
        await stage.press("slash", *"otto")
        await stage.sees('1 to 1 with "otto"')
        await stage.press("enter", "enter")
        await stage.sees("otto@example.test is on beta. On which back-end")
        await stage.press("1")
        await stage.sees("Put otto@example.test on alpha?", "1 session open on beta")
        await stage.press("3")
        await stage.sees("done: postern map put people otto@example.test alpha --end-sessions", "ended 1 session")
        with pytest.raises(imaplib.IMAP4.abort):
            client.noop()
        assert node.cli("map", "get", "people", OTTO.address)["backend"] == "alpha"
        await stage.press("A")
        await answer(stage, "Address, or @domain", "@other.test")
        await stage.press("2")
        await stage.sees("done: postern map put people @other.test beta")
        await stage.press("escape", "escape")
        await stage.sees("@other.test")
        await stage.press("X", "2")
        await stage.sees("done: postern map remove people @other.test")

    with new_node() as node:
        play(way(node), story)
        assert node.run("map", "get", "people", "@other.test").returncode == 1


def test_a_disabled_account_loses_its_session(new_node: NewNode) -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("accounts")
        await stage.sees("No account yet")
        await stage.press("A")
        await answer(stage, "Address of the new account", MARIA.address)
        await answer(stage, "New password of maria@example.test", MARIA.password)
        await answer(stage, "The same again", MARIA.password)
        await stage.sees("done: postern account add maria@example.test", "argon2id")
        assert MARIA.password not in stage.text()
        client = node.logged_in(*MARIA)
        await stage.press("D")
        await stage.sees("Disable maria@example.test?", "Ends 1 open session.")
        await stage.press("y")
        await stage.sees("off: no log-ins")
        with pytest.raises(imaplib.IMAP4.abort):
            client.noop()
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            node.logged_in(*MARIA)
        await stage.press("E")
        await stage.sees_no("off: no log-ins")
        node.logged_in(*MARIA).logout()

    with new_node(auth={"method": "internal"}) as node:
        play(way(node), story)


def test_a_drained_store_gets_no_new_session(new_node: NewNode) -> None:
    async def story(stage: Stage) -> None:
        client = node.logged_in(*OTTO)
        stage.app.go("backends")
        await stage.sees("alpha", "beta")
        await stage.until(lambda: re.search(r"beta +up +1 +21", stage.text()), "the session, and 21 who live there")
        await stage.press("j", "D")
        await stage.sees("Drain beta?", "1 open session goes on", "21 people live there and cannot log in anew")
        await stage.press("y")
        await stage.sees("◇ drains", "1 session left")
        with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
            node.logged_in(*OTTO)
        assert client.noop()[0] == "OK"
        client.logout()
        await stage.sees("0 sessions left")
        await stage.press("E")
        await stage.sees_no("drains")
        node.logged_in(*OTTO).logout()

    with new_node() as node:
        play(way(node), story)


def test_a_probe_step_by_step(node: Node) -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("backends", "alpha")
        shown = await stage.sees("all its protocols answer", "used by", "live here")
        assert [word for word in ("connect", "greeting", "what it offers") if word in shown]
        assert all(f"\n {service}" in shown for service in ("IMAP", "POP3", "Sieve"))

    play(way(node), story)


def test_a_failed_log_in_appears_in_the_log_as_it_happens(node: Node) -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("log")
        await stage.sees("Time", "Store")
        with pytest.raises(imaplib.IMAP4.error):
            node.logged_in(MARIA.address, WRONG)
        await stage.sees("maria@example.test", "✗ wrong password", "127.0.0.1")
        await stage.press("slash", *"refused", "enter")
        await stage.sees("follows what has: refused", "✗ wrong password")
        await stage.press("space")
        await stage.sees("paused; 0 new since")
        with pytest.raises(imaplib.IMAP4.error):
            node.logged_in(OTTO.address, WRONG)
        await stage.sees("paused; 1 new since")
        assert OTTO.address not in stage.text()
        await stage.press("space")
        await stage.sees(OTTO.address)
        await stage.press("enter")
        await stage.until(lambda: stage.app.screen.__class__.__name__ == "Person", "the person")

    play(way(node), story)
