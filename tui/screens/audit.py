"""Every change: who, when, what in one sentence; Enter shows what it replaced by what, R puts that back.

Read a page at a time. Secrets come as stars. Must never show what somebody typed without escaping it.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Static

from appliance.control.api.audit import AuditList, AuditRevert, AuditShow
from tui.place import Place, PlaceScreen
from tui.sentences import sentence, told
from tui.widgets.rows import Column, Row, Rows
from tui.words import clock, many, plain, since

PAGE: Final = 100
BEGIN: Final = "begin to "


class Audit(PlaceScreen):
    """A page of changes, newest first."""

    place: ClassVar[str] = "audit"
    topics: ClassVar = ("revision",)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "open", "differences", key_display="Enter"),
        Binding("n", "older", "older"),
        Binding("p", "newer", "newer"),
        Binding("R", "revert", "revert"),
    ]

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self.pages: list[int] = [0]  # the revision before which each page begins; the last one is shown
        self.more = False
        self.last = 0  # of this page, the oldest

    def heading(self) -> str:
        return f"audit · page {len(self.pages)}" if len(self.pages) > 1 else "audit"

    def body(self) -> ComposeResult:
        yield Rows(
            (
                Column("ago", "Ago", right=True, width=7),
                Column("by", "Who", show=lambda who: plain(who, 12), width=12),
                Column("sentence", "What", style=_colour, flex=True),
                Column("origin", "From", wide=True, width=24),
                Column("id", "Change", right=True, wide=True, width=8),
            ),
            "id",
        )
        yield Static("", id="exact", classes="rule", markup=False)

    def changed(self, topic: str, value: Any) -> None:
        if len(self.pages) == 1:  # an older page stands still while somebody reads it
            self.load()

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        done = await self.ask(AuditList(self.pages[-1], PAGE + 1))
        if done is not None and self.query(Rows):  # it may be closing
            self.more = len(done.value) > PAGE
            self.last = int(done.value[:PAGE][-1]["id"]) if done.value else 0
            self.query_one(Rows).show([_row(row) for row in _without_beginnings(done.value[:PAGE])])
            self._say_exact()
            self.console.say()  # which page it is

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        self._say_exact()

    def _say_exact(self) -> None:
        row = self.query_one(Rows).current()
        more = "   n: older ones" if self.more else ""
        for line in self.query("#exact").results(Static):  # none while it closes
            line.update("" if row is None else f"{row['when']}, {plain(row['what'])}{more}")

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.action_open()

    def action_open(self) -> None:
        """What it replaced by what."""
        if (key := self.query_one(Rows).current_key()) is not None:
            self.console.push_screen(Change(key))

    def action_older(self) -> None:
        """The next page."""
        if self.more:
            self.pages.append(self.last)
            self.load()

    def action_newer(self) -> None:
        """The page before."""
        if len(self.pages) > 1:
            self.pages.pop()
            self.load()

    @work(exclusive=True, group="act")
    async def action_revert(self) -> None:
        """Put back what it replaced."""
        if (key := self.query_one(Rows).current_key()) is not None:
            await revert(self, key)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Who may only look has no such keys."""
        return not (action == "revert" and self.console.role == "viewer")


class Change(PlaceScreen):
    """One of them, key by key."""

    place: ClassVar[str] = "audit"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("R", "revert", "revert")]

    def body(self) -> ComposeResult:
        with VerticalScroll():
            yield Static("", id="change", markup=False)

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        done = await self.ask(AuditShow(self.subject))
        if done is not None and self.query("#change"):
            self.query_one("#change", Static).update(_page(done.value))

    @work(exclusive=True, group="act")
    async def action_revert(self) -> None:
        """Put back what it replaced."""
        await revert(self, self.subject)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Who may only look has no such keys."""
        return not (action == "revert" and self.console.role == "viewer")


async def revert(screen: PlaceScreen, change: str) -> None:
    """Ask, with what would be put back, and do it."""
    shown = await screen.ask(AuditShow(change))
    if shown is None:
        return
    lines = [line for one in shown.value["changes"] for line in _put_back(one)]
    effect = [*lines[:8], *([f"and {many(len(lines) - 8, 'more value')}"] if len(lines) > 8 else [])]
    question = f"Take back change {change}: {sentence(shown.value['what'])}?"
    await screen.act(AuditRevert(change), f"postern audit revert {shlex.quote(change)}", question, effect)


def _put_back(change: Mapping[str, Any]) -> list[str]:
    return [f"{key['key']}: {told(key['new'])} → {told(key['old'])}" for key in change["keys"]]


def _without_beginnings(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """An import that has ended is one line: what it did."""
    ended: Counter[tuple[str, str]] = Counter()
    left = []
    for row in rows:  # the newest first
        what, began = row["what"].removeprefix("give up to "), row["what"].startswith(BEGIN)
        key = row["by"], what.removeprefix(BEGIN).partition(":")[0]
        if began and ended[key]:
            ended[key] -= 1
            continue
        ended[key] += what.startswith("import ")
        left.append(row)
    return left


def _row(row: Mapping[str, Any]) -> Row:
    at = datetime.fromisoformat(row["at"]).timestamp()
    done = row["verdict"] in ("done", "")
    return {
        **row,
        "verdict": "done" if done else row["verdict"],
        "ago": since(at),
        "when": clock(at),
        "sentence": ("" if done else "▲ not done: ") + sentence(row["what"]),
    }


def _colour(row: Row) -> str:
    return "" if row["verdict"] == "done" else "bold"


def _page(value: Mapping[str, Any]) -> Text:
    at = datetime.fromisoformat(value["at"]).astimezone()
    page = Text()
    page.append(f" {plain(value['by'], 60)} {sentence(value['what'])}\n", "bold")
    page.append(f" {at:%Y-%m-%d %H:%M:%S}, {plain(value['origin'], 100)}, change {plain(value['id'])}\n", "dim")
    if value["conflict"]:
        page.append(f" ▲ not done: {plain(value['conflict'])}\n", "bold")
    for change in value["changes"]:
        page.append(f"\n {plain(' '.join(filter(None, map(str, change['key'].values()))))}\n")
        wide = max((len(key["key"]) for key in change["keys"]), default=0)
        for key in change["keys"]:
            page.append(f"   {plain(key['key']):<{wide}}  ")
            page.append(told(key["old"]), "dim")
            page.append("  →  ")
            page.append(told(key["new"]) + "\n", "bold")
    if not value["changes"]:
        page.append("\n What it changed is not kept: an import's entries come back by `map undo`.\n", "dim")
    return page


def opened(subject: str = "") -> PlaceScreen:
    """`:audit 31` opens that change."""
    return Change(subject) if subject else Audit()


PLACE = Place("audit", "Audit", "Who changed what, and how to take it back.", opened, key="a", order=70)
