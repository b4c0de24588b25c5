"""The screens of the configuration: what a key asks, what the node is then asked, and what nobody may see."""

from __future__ import annotations

import re

import pytest

from appliance.control.api import Refused
from appliance.control.api.audit import AuditRevert
from appliance.control.api.bans import BanAdd, BanLift
from appliance.control.api.console import ConsoleWho
from appliance.control.api.services import ServiceSet
from appliance.control.api.trial import Try
from tests.tui.configured import SETTINGS, asked, configured, fill
from tests.tui.fake import WHO
from tests.tui.stage import Stage, play

PLACES = {
    "services": ("on", "▲ cannot listen on [::]:995", "not in this release"),
    "limits": ("attempts", "900 seconds", "default 2100"),
    "site": ("domains", "example.org"),
    "auth": ("method", "internal"),
    "metrics": ("listen", "127.0.0.1:9153"),
    "certificates": ("▲ 6 days", "it expires in 6 days"),
    "administrators": ("jonas", "SHA256:jjjj", "never"),
    "audit": ("drained the back-end mail300",),
    "bans": ("203.0.113.7", "1h 15m", "for good"),
}
LOOKS = (((80, 24), "postern-dark"), ((120, 40), "postern-light"), ((200, 60), "postern-16"))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("size", "theme"), LOOKS)
def test_it_is_all_there_and_nothing_escapes(place: str, size: tuple[int, int], theme: str) -> None:
    async def story(stage: Stage) -> None:
        stage.app.go(place)
        text = await stage.sees(*PLACES[place])
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
        assert all(len(line) <= size[0] for line in text.split("\n"))

    play(configured(), story, size, theme)


@pytest.mark.parametrize("place", ["services", "limits", "certificates", "administrators", "audit", "bans"])
def test_a_viewer_is_offered_no_change(place: str) -> None:
    async def story(stage: Stage) -> None:
        stage.app.go(place)
        await stage.sees(PLACES[place][0])
        footer = stage.text().rstrip().split("\n")[-1]
        assert not re.findall(r"(?:^| )[A-Z] [a-z]", footer), footer
        await stage.press("A", "X", "R", "D", "L", "y")
        assert stage.app.screen.__class__.__name__ not in ("Confirm", "Prompt")

    node = configured({ConsoleWho: {**WHO, "role": "viewer"}})
    play(node, story)
    assert not any(isinstance(one, Try | ServiceSet | AuditRevert | BanAdd | BanLift) for one in node.asked)


def test_a_form_turns_marks_and_applies() -> None:
    node = configured()

    async def story(stage: Stage) -> None:
        stage.app.go("limits")
        await stage.sees("What attempts is.", "default 4 · 1 to 1,000,000")
        await stage.press("enter")
        await fill(stage, "x")
        await stage.sees("✗", "must be a number, not 'x'")
        await fill(stage, "7")
        await stage.sees("▸  attempts", "was 4")
        await stage.press("j", "d")
        await stage.sees("was 900")
        await stage.press("A")
        await stage.sees("Apply 2 changes to limits?", "attempts: 4 → 7", "idle_seconds: 900 → 2100")
        await stage.sees("postern service set limits attempts=7 --default idle_seconds")
        await stage.press("y")
        await stage.sees("done: postern service set limits")
        await stage.sees_no("▸")

    play(node, story)
    assert asked(node, ServiceSet) == [ServiceSet("limits", {"attempts": 7, "idle_seconds": None})]


def test_a_draft_is_not_lost_by_one_key() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("limits")
        await stage.sees("attempts")
        await stage.press("enter")
        await fill(stage, "7")
        await stage.press("escape")
        await stage.sees("Leave and drop these changes?", "attempts: 4 → 7")
        await stage.press("n")
        await stage.sees("▸  attempts")
        await stage.press("z")
        await stage.sees_no("▸")
        await stage.press("escape")
        await stage.sees("mail1", "IMAP")

    play(configured(), story)


def test_what_the_node_finds_wrong_is_said_at_its_field() -> None:
    def refuses(_: ServiceSet) -> None:
        problem = {"kind": "limits", "name": "", "key": "idle_seconds", "text": "idle_seconds must be \x1b[2Jmore"}
        raise Refused("limits.idle_seconds: ...", value={"problems": [problem]})

    async def story(stage: Stage) -> None:
        stage.app.go("limits")
        await stage.sees("attempts")
        await stage.press("enter")
        await fill(stage, "7")
        await stage.press("A", "y")
        await stage.sees("✗  idle_seconds", "must be \\x1b[2Jmore", "What idle_seconds is.")  # the cursor went there
        await stage.sees("▸  attempts")  # nothing is lost

    play(configured({ServiceSet: refuses}), story)


def test_a_choice_is_chosen_and_a_secret_is_typed_unseen() -> None:
    node = configured()

    async def story(stage: Stage) -> None:
        stage.app.go("auth")
        await stage.sees("method")
        await stage.press("enter")
        await stage.sees("ldap", "backend")
        await stage.press("down", "down", "enter")
        await stage.sees("▸  method", "backend")
        await stage.press("A", "y")
        await stage.sees("auth method=backend")

        from tui.screens.services import Service

        stage.app.push_screen(Service("smtp"))
        await stage.sees("relay_password_file", "<kept>")
        await stage.press("j", "enter")
        await fill(stage, "kx-s3cret")
        await stage.sees("(new)")
        await stage.press("A")
        assert "s3cret" not in await stage.sees("relay_password_file: <kept> → (new)")
        await stage.press("y")
        await stage.sees_no("▸")

    play(node, story)
    assert asked(node, ServiceSet) == [
        ServiceSet("auth", {"method": "backend"}), ServiceSet("smtp", {"relay_password_file": "kx-s3cret"}),
    ]  # fmt: skip


def test_a_service_is_disabled_on_trial() -> None:
    node = configured()

    async def story(stage: Stage) -> None:
        stage.app.go("services")
        await stage.sees("IMAP")
        await stage.press("D")
        await stage.sees("Disable IMAP?", "4,812 sessions that are open go on.", "--try 60")
        await stage.press("escape")
        assert asked(node, Try) == []
        await stage.press("D", "y")
        await stage.until(lambda: asked(node, Try), "it is tried")

    play(node, story)
    (tried,) = asked(node, Try)
    assert isinstance(tried, Try)
    assert tried.request == {"do": "service set", "name": "imap", "values": {"enabled": False}}


def test_the_settings_of_the_example_are_shaped_like_the_node_s() -> None:
    from db.catalogue import KINDS

    known = {setting.name: setting for kind in SETTINGS for setting in KINDS[kind].settings}
    for row in (row for kind in SETTINGS.values() for row in kind):
        assert type(row["default"]) is type(known[row["name"]].default), row["name"]
