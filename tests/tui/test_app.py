"""What every screen has: the first paint, going, finding, keys, what is said; and nothing that harms."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.control.api import Event, Refused
from appliance.control.api.console import ConsoleWho
from appliance.control.api.watch import Find, Watch
from tests.tui.example import MARIA, REVISION, SESSIONS, node
from tests.tui.fake import FakeNode
from tests.tui.stage import Stage, play
from tui.place import places


def asked(of: FakeNode, kind: type[Any]) -> list[Any]:
    """The requests of one kind."""
    return [request for request in of.asked if isinstance(request, kind)]


def test_the_first_screen_is_complete_when_it_is_painted() -> None:
    async def story(stage: Stage) -> None:
        text = stage.text()
        assert "mail1 · overview" in text and "IMAP" in text and "mail3 is down" in text

    play(node(), story)


def test_a_node_that_is_silent_about_alerts_is_shown_all_the_same() -> None:
    silent = FakeNode({ConsoleWho: node().answers[ConsoleWho]})

    async def story(stage: Stage) -> None:
        await stage.sees("overview")

    play(silent, story)


def test_who_is_refused_is_told_why_on_the_terminal() -> None:
    def refuse(_: object) -> None:
        raise Refused("the console must be opened again")

    async def story(stage: Stage) -> None:
        pass

    console = play(node({ConsoleWho: refuse}), story)
    assert console.return_code == 1


def test_slash_finds_a_person_as_one_types() -> None:
    of = node()

    async def story(stage: Stage) -> None:
        await stage.press("slash")
        await stage.type("mar")
        await stage.sees(MARIA, "Lives on")
        await stage.press("enter")
        await stage.sees(f"mail1 · {MARIA}", "goes to mail1")
        await stage.press("escape")
        await stage.sees("overview")

    play(of, story)
    assert [request.text for request in asked(of, Find)] == ["mar"], "asked for each letter"


def test_an_address_that_nobody_knows_can_be_explained_all_the_same() -> None:
    async def story(stage: Stage) -> None:
        await stage.press("f")
        await stage.type("who@else.net")
        await stage.sees("nobody in a map")
        await stage.press("enter")
        await stage.sees("mail1 · who@else.net")

    play(node({Find: []}), story)


def test_colon_goes_anywhere_and_finds_people_and_actions() -> None:
    async def story(stage: Stage) -> None:
        await stage.press("colon")
        await stage.type("sess")
        await stage.press("enter")  # at once: what was typed counts, not what was painted
        await stage.sees("mail1 · sessions")
        await stage.press("colon")
        await stage.type("maria")
        await stage.sees("a person")
        await stage.press("escape", "colon")
        await stage.type("next theme")
        await stage.sees("by the key ^t")
        await stage.press("enter")
        await stage.until(lambda: stage.app.theme == "postern-light", "another theme")

    play(node(), story)


def test_question_mark_lists_the_keys_of_the_screen() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("sessions")
        await stage.sees("699 sessions")
        await stage.press("question_mark")
        await stage.sees("K", "end", "explain", "everywhere", "undo the last change")
        await stage.press("escape")
        await stage.sees("699 sessions")

    play(node(), story, size=(80, 40))


def test_every_place_can_be_opened_by_a_key_or_by_name() -> None:
    keys = [place.key for place in places().values() if place.key]
    assert len(keys) == len(set(keys)), f"two places with the same key: {keys}"
    assert {"overview", "sessions", "person", "explain"} <= places().keys()

    async def story(stage: Stage) -> None:
        await stage.sees("s sessions")
        await stage.press("s")
        await stage.sees("mail1 · sessions")

    play(node(), story, size=(120, 40))


def test_a_lost_node_is_said_in_the_title_and_forgotten_when_it_is_back() -> None:
    class Breaking(FakeNode):
        tries = 0

        def _watch(self) -> Any:
            self.tries += 1
            if self.tries == 1:
                yield from (Event({"topic": topic, "value": value}) for topic, value in self.facts.items())
                return
            yield from super()._watch()

    made = node()
    of = Breaking(made.answers, made.facts)

    async def story(stage: Stage) -> None:
        await stage.sees("no connection")
        await stage.sees_no("no connection")

    play(of, story, size=(120, 40))
    assert len(asked(of, Watch)) >= 2


def test_y_copies_the_row() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("sessions")
        await stage.sees("699 sessions")
        await stage.press("y")
        await stage.until(lambda: SESSIONS[-1]["user"] in stage.app.clipboard, "a clipboard")

    play(node(), story)


def test_nothing_writes_files_or_starts_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda *_, **__: pytest.fail("started a browser"))

    async def story(stage: Stage) -> None:
        stage.app.open_url("https://example.org")
        assert stage.app.save_screenshot() == "" and stage.app.deliver_screenshot() is None
        await stage.app.run_action("suspend_process")
        await stage.app.run_action("screenshot")

    play(node(), story)


def test_a_crash_says_where_and_no_value() -> None:
    from tui.crash import told

    def fail(secret: str) -> None:
        raise ValueError(f"cannot use {secret}")

    try:
        fail("hunter2")
    except ValueError as error:
        text = told(error, "abcd").plain
    assert "ValueError" in text and "test_app.py" in text and "abcd" in text
    assert "hunter2" not in text


def test_revision_events_are_no_noise() -> None:
    of = node()

    async def story(stage: Stage) -> None:
        of.tell("revision", {**REVISION, "revision": 13})
        await stage.until(lambda: stage.app.facts["revision"]["revision"] == 13, "the event")
        assert "On trial" not in stage.text()

    play(of, story)
