"""Sessions: filtered, sorted, marked, ended; never more often asked for than they change."""

from __future__ import annotations

from typing import Any

from appliance.control.api.live import SessionKick, SessionPage
from tests.tui.example import MARIA, SESSIONS, node
from tests.tui.fake import FakeNode
from tests.tui.stage import Stage, play
from tui.screens.sessions import whose
from tui.widgets.rows import Rows


def pages(of: FakeNode) -> list[SessionPage]:
    """The requests for a screenful."""
    return [request for request in of.asked if isinstance(request, SessionPage)]


async def opened(stage: Stage) -> None:
    """On the screen."""
    stage.app.go("sessions")
    await stage.sees("699 sessions", "500 of 699 shown")


def test_the_filter_asks_the_node_when_the_typing_pauses() -> None:
    of = node()

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.press("slash")
        await stage.type("maria")
        await stage.sees("2 of 699 sessions match", MARIA)
        await stage.press("escape")
        await stage.sees("500 of 699 shown")

    play(of, story)
    assert [request.text for request in pages(of)] == ["", "maria", ""]
    assert all(request.limit == 500 for request in pages(of))


def test_sorting_is_the_nodes_business() -> None:
    of = node()

    async def story(stage: Stage) -> None:
        await opened(stage)
        rows = stage.app.screen.query_one(Rows)
        rows.sort_by("out")
        await stage.until(lambda: rows.rows_shown[0]["out"] == 1000, "the least first")
        rows.sort_by("out")
        await stage.until(lambda: rows.rows_shown[0]["out"] == 699_000, "the most first")

    play(of, story)
    assert [(request.sort, request.down) for request in pages(of)] == [("since", False), ("out", False), ("out", True)]


def test_marked_sessions_are_ended_after_a_question_that_names_them() -> None:
    of = node()

    async def story(stage: Stage) -> None:
        stage.app.go("sessions", "maria")
        await stage.sees("2 of 699 sessions match")
        await stage.press("space", "space", "K")
        await stage.sees("End 2 sessions?", f"{MARIA}  2 on mail1", "postern session kick")
        await stage.press("enter")
        await stage.sees_no("End 2 sessions?")
        assert not [request for request in of.asked if isinstance(request, SessionKick)], "the default is no"
        await stage.press("K")
        await stage.sees("End 2 sessions?")
        await stage.press("y")
        await stage.sees("done: postern session kick")

    play(of, story)
    kicks = [request for request in of.asked if isinstance(request, SessionKick)]
    assert len(kicks) == 1 and set(kicks[0].ids) == {"1f-1", "1f-2"} and not kicks[0].user


def test_it_is_asked_again_only_when_sessions_changed_and_it_is_on_top(monkeypatch: Any) -> None:
    monkeypatch.setattr("tui.screens.sessions.AGAIN", 0.1)
    of = node()

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.pilot.pause(0.5)
        before = len(pages(of))
        of.tell("sessions", 2)
        await stage.until(lambda: len(pages(of)) == before + 1, "asked again")
        stage.app.go("explain", MARIA)
        await stage.sees("goes to mail1")
        before = len(pages(of))
        of.tell("sessions", 3)
        await stage.until(lambda: stage.app.facts["sessions"] == 3, "the event")
        await stage.pilot.pause(0.3)
        assert len(pages(of)) == before

    play(of, story)


def test_enter_shows_the_person_and_e_explains() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("sessions", "maria")
        await stage.sees("2 of 699")
        await stage.press("enter")
        await stage.sees(f"mail1 · {MARIA}")
        await stage.press("escape")
        await stage.press("e")
        await stage.sees(f"log-in of {MARIA} at imap from 198.51.", "postern route")

    play(node(), story)


def test_a_viewer_is_not_offered_what_would_be_refused() -> None:
    of = node()
    who = next(kind for kind in of.answers if kind.__name__ == "ConsoleWho")
    of.answers[who] = {**of.answers[who], "role": "viewer"}  # type: ignore[dict-item]

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.sees("(viewer)")
        assert "K end" not in stage.text()
        await stage.press("K")
        assert "End 1 session?" not in stage.text()

    play(of, story)


def test_a_question_names_the_most_and_counts_the_rest() -> None:
    lines = whose(SESSIONS)
    assert lines[0] == f"{MARIA}  2 on mail1" and len(lines) == 7 and lines[-1] == "and 692 more"


def test_names_cannot_disturb_the_question() -> None:
    assert "\x1b" not in "".join(whose([{"user": "a\x1b[2Jb", "backend": "\x9b31m"}]))
