"""The screens of the configuration: what a key asks, what the node is then asked, and what nobody may see."""

from __future__ import annotations

import re
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.widgets import Input

from appliance.control.api import Refused, Request
from appliance.control.api.admins import AdminPassword
from appliance.control.api.audit import AuditList, AuditRevert
from appliance.control.api.bans import BanAdd, BanLift
from appliance.control.api.certificates import CertAdd
from appliance.control.api.console import ConsoleWho
from appliance.control.api.services import ServiceSet
from appliance.control.api.trial import Keep, Try
from tests.tui.configured import SETTINGS, configured
from tests.tui.fake import WHO, FakeNode
from tests.tui.stage import Stage, play
from tui.screens.bans import seconds_of
from tui.screens.certificates import lasts, parts

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


def asked(node: FakeNode, kind: type[Request]) -> list[Request]:
    """All requests of a kind."""
    return [one for one in node.asked if type(one) is kind]


async def fill(stage: Stage, text: str) -> None:
    """Into the line that is open."""
    await stage.until(lambda: isinstance(stage.app.focused, Input), "a line to type in")
    line = stage.app.focused
    assert isinstance(line, Input)
    line.value = text
    await stage.press("enter")


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
        await stage.sees("What attempts is.", "default 4 · 1 to 1\u202f000\u202f000")
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
        await stage.sees("imap")
        await stage.press("D")
        await stage.sees("Disable imap?", "4\u202f812 sessions that are open go on.", "--try 60")
        await stage.press("escape")
        assert asked(node, Try) == []
        await stage.press("D", "y")
        await stage.until(lambda: asked(node, Try), "it is tried")

    play(node, story)
    (tried,) = asked(node, Try)
    assert isinstance(tried, Try)
    assert tried.request == {"do": "service set", "name": "imap", "values": {"enabled": False}}


def test_pages_of_the_audit_and_a_change_taken_back() -> None:
    node = configured({AuditRevert: {"revision": 301}})

    async def story(stage: Stage) -> None:
        stage.app.go("audit")
        await stage.sees("mail300")
        await stage.press("n")
        await stage.sees("mail200", "page 2")
        await stage.press("p")
        await stage.sees("mail300")
        await stage.press("enter")
        await stage.sees("attempts", "→  7", "→  \\x1b]52")
        await stage.press("R")
        await stage.sees("Take back change 300", "attempts: 7 → 4")
        await stage.press("y")
        await stage.sees("postern audit revert 300")

    play(node, story)
    assert AuditList(201, 101) in node.asked
    assert asked(node, AuditRevert) == [AuditRevert("300")]


def test_an_operator_changes_the_own_password_alone() -> None:
    node = configured({ConsoleWho: {**WHO, "name": "jonas", "role": "operator"}, AdminPassword: {"revision": 1}})

    async def story(stage: Stage) -> None:
        stage.app.go("administrators")
        await stage.sees("jonas", "P password")
        assert "A add" not in stage.text()
        await stage.press("P")
        await fill(stage, "kx-one-s3cret-password")
        await fill(stage, "kx-another")
        await stage.sees("these were not the same")
        await stage.press("P")
        await fill(stage, "kx-one-s3cret-password")
        await fill(stage, "kx-one-s3cret-password")
        assert "s3cret" not in await stage.sees("Change the password of jonas?")
        await stage.press("y")
        await stage.sees("postern admin password jonas")
        await stage.press("j")
        await stage.sees_no("P password")  # maria's

    play(node, story)
    assert asked(node, AdminPassword) == [AdminPassword("jonas", "kx-one-s3cret-password")]


def test_bans_are_added_and_several_lifted() -> None:
    node = configured({BanAdd: {}, BanLift: {}})

    async def story(stage: Stage) -> None:
        stage.app.go("bans")
        await stage.sees("203.0.113.7")
        await stage.press("A")
        await fill(stage, "192.0.2.9")
        await fill(stage, "sometime")
        await stage.sees("is no time span like 30m, 12h or 7d")
        await stage.press("A")
        await fill(stage, "192.0.2.9")
        await fill(stage, "1h30m")
        await fill(stage, "")
        await stage.sees("Refuse 192.0.2.9?", "for 1h 30m", "postern ban add 192.0.2.9 --for 5400s")
        await stage.press("y")
        await stage.until(lambda: asked(node, BanAdd), "it is refused")
        await stage.press("space", "space", "L")
        await stage.sees("Lift 2 bans?")
        await stage.press("y")
        await stage.until(lambda: len(asked(node, BanLift)) == 2, "both are lifted")

    play(node, story)
    assert asked(node, BanAdd) == [BanAdd("192.0.2.9", 5400.0, "")]


def test_a_key_is_pasted_and_never_shown() -> None:
    node = configured(revision={"revision": 12, "trial": {"id": "t", "until": time.time() + 50, "what": "x"}})
    block = "-----BEGIN {0}-----\nQUJD\n-----END {0}-----\n"
    pem = block.format("EC PRIVATE KEY") + block.format("CERTIFICATE") * 2

    async def story(stage: Stage) -> None:
        stage.app.go("certificates")
        await stage.sees("it expires")
        await stage.press("A")
        await fill(stage, "mail.example.org, imap.example.org")
        await stage.until(lambda: type(stage.app.focused).__name__ == "Paste", "a place to paste to")
        assert stage.app.focused is not None
        stage.app.focused.post_message(events.Paste(pem))
        await stage.sees("2 certificates in it", "✓ key")
        await stage.press("K", "f", "question_mark", "ctrl+u")  # letters are text here, not keys
        await stage.sees_no("✓")
        stage.app.focused.post_message(events.Paste(pem))
        await stage.sees("2 certificates in it", "✓ key")
        await stage.press("enter")
        assert "QUJD" not in await stage.sees("Use it for mail.example.org, imap.example.org?")
        await stage.press("y")
        await stage.until(lambda: asked(node, Try), "it is tried")

    play(node, story)
    assert asked(node, Keep) == []
    (tried,) = asked(node, Try)
    assert isinstance(tried, Try)
    certificate, key = block.format("CERTIFICATE") * 2, block.format("EC PRIVATE KEY")
    request = CertAdd(["mail.example.org", "imap.example.org"], certificate, key)
    assert tried.request == msgspec.to_builtins(request)
    assert "QUJD" not in repr(tried)


@given(st.text(max_size=300))
def test_any_paste_has_parts(text: str) -> None:
    assert parts("-----BEGIN CERTIFICATE-----" + text) == ("", "") or "-----END" in text


@given(st.text("0123456789smhdw ²x", max_size=12))
def test_any_time_span_is_a_number_or_a_sentence(text: str) -> None:
    try:
        assert seconds_of(text) >= 0
    except ValueError as error:
        assert "is no time span" in str(error)


def test_time_spans_and_days_in_words() -> None:
    assert (seconds_of("30m"), seconds_of("1h30m"), seconds_of("7d"), seconds_of("")) == (1800, 5400, 604800, 0)
    assert [lasts(days) for days in (-1, 0, 1, 13, 14)] == [
        "▲ expired 1 day ago", "▲ expires today", "▲ 1 day", "▲ 13 days", "14 days",
    ]  # fmt: skip


def test_the_settings_of_the_example_are_shaped_like_the_node_s() -> None:
    from db.catalogue import KINDS

    known = {setting.name: setting for kind in SETTINGS for setting in KINDS[kind].settings}
    for row in (row for kind in SETTINGS.values() for row in kind):
        assert type(row["default"]) is type(known[row["name"]].default), row["name"]
