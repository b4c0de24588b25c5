"""One person, and one log-in explained: what is shown, and what is done about it."""

from __future__ import annotations

from typing import Any

from appliance.control.api import Refused
from appliance.control.api.accounts import AccountDisable, AccountList, AccountPassword
from appliance.control.api.bans import BanAdd, BanLift, BanList
from appliance.control.api.live import Route, SessionKick
from appliance.control.api.maps import MapPut
from tests.tui.example import MARIA, node
from tests.tui.fake import FakeNode
from tests.tui.stage import Stage, play


def asked(of: FakeNode, kind: type[Any]) -> list[Any]:
    """The requests of one kind."""
    return [request for request in of.asked if isinstance(request, kind)]


async def opened(stage: Stage) -> None:
    """Maria."""
    stage.app.go("person", MARIA)
    await stage.sees("Now: 2 sessions", "Lately", "goes to mail1")


def test_everything_about_maria_is_on_one_screen() -> None:
    async def story(stage: Stage) -> None:
        await opened(stage)
        text = stage.text()
        assert all(said in text for said in ("Account", "on", "IMAP", "POP3", "same", "by map people"))
        assert "refused: wrong password (wrong" in text and "203.0.113.9" in text

    play(node(), story)


def test_a_name_as_it_was_typed_becomes_the_mailbox() -> None:
    of = node()

    async def story(stage: Stage) -> None:
        stage.app.go("person", "Maria@Example.ORG")
        await stage.sees(f"mail1 · {MARIA}", "Now: 2 sessions")

    play(of, story)


def test_what_one_answer_lacks_leaves_the_others() -> None:
    def refuse(_: object) -> None:
        raise Refused("accounts are not known now")

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.sees("accounts are not known now")
        assert "P password" not in stage.text(), "there is no account to speak of"

    play(node({AccountList: refuse}), story)


def test_sessions_are_ended_all_together() -> None:
    of = node()

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.press("K")
        await stage.sees("End 2 sessions?", f"postern session kick --user {MARIA}")
        await stage.press("y")
        await stage.sees("done: postern session kick")

    play(of, story)
    assert [(kick.user, kick.ids) for kick in asked(of, SessionKick)] == [(MARIA, ())]


def test_moved_with_the_question_what_becomes_of_sessions() -> None:
    of = node({MapPut: {"map": "people", "address": MARIA, "backend": "mail2", "before": "mail1"}})

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.press("M")
        await stage.sees("Move maria@example.org to", "mail2")
        await stage.press("2")
        await stage.sees("2 sessions would stay")
        await stage.press("2")
        await stage.sees("Say in map people that maria@example.org lives on mail2?", "2 sessions ended", "no mail")
        await stage.press("y")
        await stage.sees("done: postern map put people maria@example.org mail2 --end-sessions")

    play(of, story)
    assert asked(of, MapPut) == [MapPut("people", MARIA, "mail2", True)]


def test_a_password_is_asked_twice_and_never_shown() -> None:
    of = node({AccountPassword: {"address": MARIA}})

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.press("P")
        for said, typed in (("New password", "hunter2"), ("The same again", "hunter3")):
            await stage.sees(said)
            await stage.type(typed)
            assert "hunter" not in stage.text()
            await stage.press("enter")
        await stage.sees("these were not the same")
        await stage.press("escape", "P")
        for said in ("New password", "The same again"):
            await stage.sees(said)
            await stage.type("hunter2")
            await stage.press("enter")
        await stage.sees(f"done: postern account password {MARIA}")
        assert "hunter" not in stage.text()

    console = play(of, story)
    assert [request.password for request in asked(of, AccountPassword)] == ["hunter2"]
    assert not any("hunter" in command for command in console.commands)


def test_disabled_and_banned_and_let_in_again() -> None:
    of = node({AccountDisable: None, BanAdd: None, BanLift: None})

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.press("D")
        await stage.sees(f"Disable the account {MARIA}?", "2 sessions ended")
        await stage.press("y")
        await stage.sees("done: postern account disable")
        await stage.press("B")
        await stage.sees("for an hour?")
        of.answers[BanList] = [{"scope": "account", "subject": MARIA, "until": "2026-12-01T00:00:00", "reason": "x"}]
        await stage.press("y")
        await stage.sees("Banned", "until 2026-12-01")
        await stage.press("B")
        await stage.sees("in again?")
        await stage.press("y")
        await stage.sees("done: postern ban lift")

    play(of, story)
    assert [request.subject for request in asked(of, BanAdd)] == [MARIA]


def test_a_log_in_explained_step_by_step_and_were_the_store_down() -> None:
    of = node()

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.press("e")
        await stage.sees("mailbox", "lives on mail1", "map people", "7s")
        await stage.sees(f"{MARIA} goes to mail1 (10.0.0.1 port 10143)")
        await stage.sees("were mail1 down", "cannot be served: mail1 is down", "NO [UNAVAILABLE]")
        await stage.press("p")
        await stage.sees("--service pop3")

    play(of, story)
    assert "mail1" in {request.down for request in asked(of, Route)}
