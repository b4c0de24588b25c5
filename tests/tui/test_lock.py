"""A screen left alone hides everything, and opens to who proves who they are; a locked connection asks first."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.control.api import Refused
from appliance.control.api.console import ConsoleCode, ConsoleWho
from appliance.control.api.live import SessionKick
from tests.tui.example import node
from tests.tui.fake import WHO, FakeNode
from tests.tui.stage import Stage, play


def code(request: ConsoleCode) -> None:
    """One is right."""
    if request.code != "123456":
        raise Refused("that is not right")


def test_a_locked_connection_asks_for_the_code_before_anything_else() -> None:
    state: dict[str, Any] = {"locked": True}

    def right(request: ConsoleCode) -> None:
        code(request)
        state["locked"] = False

    of = node({ConsoleWho: lambda _: {**WHO, "totp": True, **state}, ConsoleCode: right})

    async def story(stage: Stage) -> None:
        await stage.sees("One-time code")
        await stage.press("colon")
        await stage.press("escape")
        assert "One-time code" in stage.text()
        assert {type(request) for request in of.asked} == {ConsoleWho}
        for letter in "999999":
            await stage.press(letter)
        await stage.press("enter")
        await stage.sees("that is not right")
        assert "999999" not in stage.text()
        await stage.press(*"123456", "enter")
        await stage.sees("mail1 · overview", "IMAP")

    play(of, story)


@pytest.mark.parametrize("me", [{"totp": True}, {"totp": False, "password": True}])
def test_left_alone_it_locks_and_opens_by_a_code(me: dict[str, bool]) -> None:
    of = node({ConsoleWho: {**WHO, **me}, ConsoleCode: code})

    async def story(stage: Stage) -> None:
        stage.app.go("sessions")
        await stage.sees("699 sessions")
        stage.app.idle_after = 0.05
        stage.app._perhaps_lock()
        await stage.sees("Locked.")
        stage.app.idle_after = 900.0
        assert "sessions" not in stage.text() and "person" not in stage.text()
        for key in ("escape", "colon", "question_mark", "f", "u", "ctrl+p", "ctrl+t"):
            await stage.press(key)
        assert "Locked." in stage.text() and "699" not in stage.text()
        await stage.press("escape")
        await stage.press(*"123456", "enter")
        await stage.sees("699 sessions")

    play(of, story)


def test_without_a_code_enter_opens_and_it_says_so() -> None:
    async def story(stage: Stage) -> None:
        await stage.press("ctrl+l")
        await stage.sees("Enter opens it again")
        await stage.press("x", "escape")
        assert "Locked." in stage.text()
        await stage.press("enter")
        await stage.sees("mail1 · overview")
        await stage.press("ctrl+l")
        await stage.sees("Locked.")

    play(node({ConsoleWho: {**WHO, "password": False, "totp": False}}), story)


def test_nothing_comes_up_over_the_lock() -> None:
    of: FakeNode = node({ConsoleCode: code})

    async def story(stage: Stage) -> None:
        screen: Any = stage.app.screen
        await stage.press("ctrl+l")
        await stage.sees("Locked.")
        screen.change(SessionKick(("a",)), "postern session kick a", "End 1 session?")
        stage.app.complain("a refusal about maria")
        of.tell("overview", {**of.facts["overview"], "revision": 99})
        await stage.until(lambda: stage.app.facts["overview"]["revision"] == 99, "the event")
        assert "End 1" not in stage.text() and "maria@" not in stage.text() and "refusal" not in stage.text()
        await stage.press(*"123456", "enter")
        await stage.sees("End 1 session?")

    play(of, story)
