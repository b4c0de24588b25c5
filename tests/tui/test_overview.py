"""The first screen: does mail flow, and where does what is wrong lead?"""

from __future__ import annotations

import pytest

from appliance.control.api.live import LogTail
from tests.tui.example import ALERTS, NOW, OVERVIEW, node, store
from tests.tui.stage import Stage, play
from tui.themes import THEMES
from tui.widgets.rows import Rows

SIZES = ((80, 24), (120, 40), (200, 60))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
def test_it_says_all_at_every_size_and_in_every_theme(size: tuple[int, int], theme: str) -> None:
    async def story(stage: Stage) -> None:
        text = await stage.sees("s sessions" if size[0] > 80 else "keys")
        lines = text.split("\n")
        assert len(lines) <= size[1] and all(len(line) <= size[0] for line in lines)
        assert all(said in text for said in ("4,812", "▲ stopped", "▲ down", "3,410", "Off: SMTP in"))
        assert "1  ▲  mail3 is down: 402 people" in text
        assert "190" in next(line for line in lines if "IMAP" in line), "the last whole minute"
        assert ("Lately" in text) == (size[0] >= 100)
        if size[0] == 200:
            await stage.sees("Log", "wrong password")

    of = node()
    play(of, story, size, theme)
    assert any(isinstance(request, LogTail) for request in of.asked) == (size[0] == 200)


def test_an_alert_leads_to_its_cause() -> None:
    async def story(stage: Stage) -> None:
        assert stage.app.focused is stage.app.screen.query_one("#alerts")
        await stage.press("down", "enter")
        await stage.sees("mail1 · it@example.org")
        await stage.press("escape")
        await stage.press("2")
        await stage.sees("mail1 · it@example.org")

    play(node(), story)


def test_changes_are_shown_as_they_are_told_and_nothing_else_is_painted() -> None:
    of = node()

    async def story(stage: Stage) -> None:
        painted: list[object] = []
        table = stage.app.screen.query_one("#stores", Rows)
        update = table.update_cell
        table.update_cell = lambda *cell, **more: (painted.append(cell), update(*cell, **more))  # type: ignore
        stores = [store("mail1", sessions=1703, users=3410), OVERVIEW["backends"][1]]
        of.tell("overview", {**OVERVIEW, "backends": stores})
        await stage.sees("1,703")
        assert len(painted) <= 2, f"more than the cells that changed: {painted}"
        of.tell("alerts", [])
        await stage.sees("Nothing needs you")
        of.tell("alerts", ALERTS)
        await stage.sees("Needs you", "mail3 is down")

    play(of, story)


def test_many_stores_leave_room_for_what_needs_somebody() -> None:
    stores = [store(f"store{number:02}", since=NOW) for number in range(40)]

    async def story(stage: Stage) -> None:
        await stage.sees("store05", "mail3 is down", "18 failed", "keys")

    play(node(overview={**OVERVIEW, "backends": stores}), story)


def test_tab_goes_round_and_enter_on_a_store_goes_there() -> None:
    async def story(stage: Stage) -> None:
        await stage.press("tab")
        await stage.until(lambda: stage.app.focused and stage.app.focused.id == "services", "the services")
        await stage.press("tab")
        await stage.until(lambda: stage.app.focused and stage.app.focused.id == "stores", "the stores")

    play(node(), story)
