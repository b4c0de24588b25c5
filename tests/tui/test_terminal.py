"""The console as a terminal gets it: no text of a stranger disturbs it, nothing is sent where nothing changed."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.control.api.live import Route, SessionList, SessionPage
from appliance.control.api.watch import Find
from tests.tui import example
from tests.tui.fake import FakeNode
from tests.tui.terminal import Terminal, console

TITLE, CLEAR, C1, TURNED = "\x1b]0;owned\x07", "\x1b[2J\x1b[41m", "\x9b31m", "\u202egro"
SIXEL, LINE, CLIPBOARD = "\x1bPq#0\x1b\\", "\r\nfake line", "\x1b]52;c;eA==\x07"
NAMES = [f"{bad}@example.org" for bad in (TITLE, CLEAR, C1, TURNED, SIXEL, LINE, CLIPBOARD)]
HERE = "tests.tui.test_terminal"


def hostile() -> FakeNode:
    """Every text that comes from outside is an attack."""
    sessions = [{**example.session(number), "user": name, "from": name} for number, name in enumerate(NAMES)]
    stores = [example.store("mail3", "down", reason=f"greeted with {TITLE}{CLEAR}{C1}")]
    alerts = [{**example.ALERTS[0], "id": name, "text": f"{name} is banned"} for name in NAMES]
    step: dict[str, Any] = {"name": "name", "age": 0, "ms": 0}
    steps = [{**step, "result": name, "source": name} for name in NAMES]
    return example.node(
        {
            SessionPage: {"sessions": sessions, "matching": len(sessions), "total": len(sessions)},
            SessionList: sessions,
            Find: [{"address": name, "map": "people", "backend": C1, "account": TITLE} for name in NAMES],
            Route: lambda request: {**example.route(request), "steps": steps, "told": f"NO {TITLE}"},
        },
        overview={**example.OVERVIEW, "backends": stores},
        alerts=alerts,
    )


def harmless(terminal: Terminal) -> None:
    """None of it was obeyed."""
    for attack in ("\x1b]0;", "\x1b]52;", "\x1b[41m", "\x9b", "\u202e", "\x1bPq", "\r\nfake", "owned\x07"):
        at = terminal.sent.find(attack.encode())
        assert at < 0, f"{attack!r} in {bytes(terminal.sent[max(at - 60, 0) : at + 60])!r}"


@pytest.mark.parametrize("keys", [["s", "e"], ["/exam", "\r"], [":sessions\r", " K"]], ids=["list", "find", "ask"])
def test_no_text_of_a_stranger_reaches_the_terminal_as_it_is(keys: list[str]) -> None:
    with console(f"{HERE}:hostile", (120, 40)) as terminal:
        terminal.sees("mail1 · overview", "\\x1b]0;owned\\x07@example.org is banned", "s sessions")
        for key in keys:
            terminal.press(key)
            terminal.read(0.6)
        terminal.sees("\\x1b")
        harmless(terminal)


def test_a_still_screen_sends_nothing() -> None:
    with console("tests.tui.example:node") as terminal:
        terminal.sees("overview", "mail3 is down", "keys")
        terminal.read(1.0)
        assert terminal.read(2.0) == 0


TERMINALS: list[dict[str, str]] = [{"NO_COLOR": "1"}, {"TERM": "linux", "COLORTERM": ""}, {"TERM": "vt100"}]


@pytest.mark.parametrize("environment", TERMINALS, ids=str)
def test_words_say_what_colours_say(environment: dict[str, str]) -> None:
    with console("tests.tui.example:node", (80, 24), **environment) as terminal:
        terminal.sees("mail1 · overview", "▲ down", "mail3 is down")
        terminal.press("s")
        terminal.sees("500 of 699 shown")


def test_it_leaves_the_terminal_as_it_was() -> None:
    with console("tests.tui.example:node") as terminal:
        terminal.sees("mail1 · overview")
        terminal.press("\x11")
        terminal.until(lambda: terminal.process.poll() is not None, "the end")
        terminal.read(0.2)
        assert terminal.process.returncode == 0
        assert b"\x1b[?1049l" in terminal.sent and b"\x1b[?25h" in terminal.sent
