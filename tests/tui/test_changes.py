"""Changes made on screen: undone, on trial, refused because somebody else was quicker; each shown as its command."""

from __future__ import annotations

import time
from typing import Any

from textual.widgets import Input

from appliance.control.api import Refused
from appliance.control.api.audit import AuditList, AuditRevert, AuditShow
from appliance.control.api.live import SessionKick
from appliance.control.api.trial import GiveUp, Keep, Try
from tests.tui.example import node
from tests.tui.fake import FakeNode
from tests.tui.stage import Stage, play

CHANGE = {"id": "12", "entry": "x", "at": "2026-11-20T10:00:00+00:00", "by": "maria", "origin": "ssh",
          "what": "service set imap map", "verdict": "done"}  # fmt: skip
SHOWN = {**CHANGE, "conflict": "", "changes": [
    {"table": "object", "key": {"kind": "imap", "name": ""}, "keys": [{"key": "map", "old": ["a"], "new": ["b"]}]},
]}  # fmt: skip


def asked(of: FakeNode, kind: type[Any]) -> list[Any]:
    """The requests of one kind."""
    return [request for request in of.asked if isinstance(request, kind)]


def test_undo_shows_the_difference_and_asks() -> None:
    of = node({AuditList: [CHANGE], AuditShow: SHOWN, AuditRevert: {"revision": 13}})

    async def story(stage: Stage) -> None:
        await stage.press("u")
        await stage.sees("Undo your last change", "imap: map b → a", "postern audit revert 12")
        await stage.press("escape")
        await stage.sees_no("Undo your")
        assert not asked(of, AuditRevert), "Esc must leave all as it is"
        await stage.press("u")
        await stage.sees("Undo your last change")
        await stage.press("y")
        await stage.sees("done: postern audit revert 12")

    play(of, story)
    assert [request.id for request in asked(of, AuditRevert)] == ["12"]


def test_undo_passes_by_what_was_taken_back_already() -> None:
    reverted = {**CHANGE, "id": "13", "what": "audit revert 12: service set imap map"}
    older = {**CHANGE, "id": "11", "by": "jonas"}
    of = node({AuditList: [reverted, CHANGE, older], AuditShow: {**SHOWN, "id": "11"}})

    async def story(stage: Stage) -> None:
        await stage.press("u")
        await stage.sees("Undo the newest change, by jonas")

    play(of, story)
    assert asked(of, AuditShow)[0].id == "11"


def test_a_change_on_trial_is_counted_down_everywhere_and_kept() -> None:
    of = node({Keep: None, GiveUp: None})

    async def story(stage: Stage) -> None:
        trial = {"id": "7", "until": time.time() + 52, "what": "imap listens elsewhere"}
        of.tell("revision", {"revision": 13, "trial": trial})
        await stage.sees("On trial, 5", "imap listens elsewhere")
        stage.app.go("sessions")
        await stage.sees("mail1 · sessions", "On trial")
        await stage.press("K")
        await stage.sees("done: postern config keep")
        of.tell("revision", {"revision": 13, "trial": None})
        await stage.sees_no("On trial")
        await stage.press("K")
        await stage.sees("End 1 session?")

    play(of, story)
    assert [request.id for request in asked(of, Keep)] == ["7"] and not asked(of, SessionKick)


def test_letters_that_are_typed_keep_no_trial() -> None:
    of = node({Keep: None}, revision={"revision": 13, "trial": {"id": "7", "until": time.time() + 50, "what": "x"}})

    async def story(stage: Stage) -> None:
        await stage.sees("On trial")
        await stage.press("f")
        await stage.press("K", "G")
        assert stage.app.screen.query_one(Input).value == "KG"

    play(of, story)
    assert not asked(of, Keep)


def test_an_action_on_trial_goes_to_the_node_as_one() -> None:
    of = node({Try: {"id": "7", "until": time.time() + 60, "done": None}})

    async def story(stage: Stage) -> None:
        stage.app.screen.change(SessionKick(("a",)), "postern x", "Really?", trial=True)  # type: ignore[attr-defined]
        await stage.sees("Really?", "Taken back by itself after 60 s")
        await stage.press("y")
        await stage.sees("done: postern x")

    play(of, story)
    assert [request.request["do"] for request in asked(of, Try)] == ["session kick"]


def test_a_conflict_is_shown_side_by_side() -> None:
    def conflict(_: object) -> None:
        raise Refused("not done: imap was changed", 1, {"conflict": "imap was changed"})

    theirs = {**SHOWN, "by": "jonas"}
    of = node({SessionKick: conflict, AuditList: [{**CHANGE, "by": "jonas"}], AuditShow: theirs})

    async def story(stage: Stage) -> None:
        stage.app.screen.change(SessionKick(("a",)), "postern session kick a")  # type: ignore[attr-defined]
        await stage.sees("somebody was quicker", "mine", "theirs (jonas)", "postern session kick a", "map")
        await stage.press("enter")
        await stage.sees_no("quicker")

    play(of, story)


def test_a_refusal_is_said_and_stays_until_escape() -> None:
    def refuse(_: object) -> None:
        raise Refused("no session matches")

    async def story(stage: Stage) -> None:
        stage.app.screen.change(SessionKick(("a",)), "postern session kick a")  # type: ignore[attr-defined]
        await stage.sees("no session matches")
        await stage.press("escape")
        await stage.sees_no("no session matches")
        await stage.sees("overview")

    play(node({SessionKick: refuse}), story)


