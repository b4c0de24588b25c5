"""Audit, administrators, bans, certificates: what a key asks, what the node is then asked, what is never shown."""

from __future__ import annotations

import time

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from textual import events

from appliance.control.api.admins import AdminPassword
from appliance.control.api.audit import AuditList, AuditRevert
from appliance.control.api.bans import BanAdd, BanLift
from appliance.control.api.certificates import CertAdd
from appliance.control.api.console import ConsoleWho
from appliance.control.api.trial import Keep, Try
from tests.tui.configured import asked, change, configured, fill
from tests.tui.fake import WHO
from tests.tui.stage import Stage, play
from tui.screens.bans import seconds_of
from tui.screens.certificates import lasts, parts


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


def test_an_import_is_one_line_once_it_has_ended() -> None:
    done, under_way = "import a.csv into map people", "import b.csv into map people"
    whats = [f"{done}: 3 new", "backend drain mail3", f"begin to {done}", f"begin to {under_way}"]
    node = configured({AuditList: [change(300 - at, what) for at, what in enumerate(whats)]})

    async def story(stage: Stage) -> None:
        stage.app.go("audit")
        text = await stage.sees("imported a.csv into map people: 3 new", "drained", "began to import b.csv")
        assert "began to import a.csv" not in text

    play(node, story)


def test_a_change_is_opened_by_its_number() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("audit", "300")
        await stage.sees("change 300", "R revert")

    play(configured(), story)


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
        await stage.sees("done: postern ban add")
        await stage.press("space", "space")
        await stage.until(lambda: stage.text().count("●") == 2, "both are marked")
        await stage.press("L")
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
