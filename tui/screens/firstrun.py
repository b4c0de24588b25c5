"""The first run: seven questions, each with an answer that was found, and at the end a real log-in before your eyes.

Every answer is a request like a command's, made at once: there is nothing to lose by leaving, and nothing to finish.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, ClassVar, Final

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Static

from appliance.control.api import Refused, Request
from appliance.control.api.admins import AdminList
from appliance.control.api.backends import BackendFind, BackendList
from appliance.control.api.certificates import CertList
from appliance.control.api.maps import MapList
from appliance.control.api.services import ServiceShow
from tui.firstanswers import Answers
from tui.firststeps import Step, steps
from tui.place import Place
from tui.widgets.rows import Column, Row, Rows


class FirstRun(Answers):
    """The questions, and below them what the current one is about."""

    DEFAULT_CSS = """
    FirstRun #welcome { padding: 0 1; height: 2;  color: $secondary; }
    FirstRun Rows { height: 9; }
    FirstRun VerticalScroll { height: 1fr; border-top: solid $panel; padding: 0 1; }
    """
    place: ClassVar[str] = "first-run"
    topics: ClassVar = ("revision", "overview")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "answer", "answer", key_display="Enter"),
        Binding("n", "next", "next open one"),
    ]

    def __init__(self, subject: str = "") -> None:
        super().__init__()
        self.listed: list[Step] = []
        self._looked = False

    def heading(self) -> str:
        done = sum(step.done for step in self.listed)
        return f"first run · {done} of {len(self.listed)}" if self.listed else "first run"

    def body(self) -> ComposeResult:
        yield Static("Seven questions, and mail flows. Esc leaves, `:first-run` comes back.", id="welcome")
        yield Rows(
            (
                Column("mark", "", width=1),
                Column("number", "", right=True, width=1),
                Column("title", "Question", width=13, style=lambda row: "bold" if row["mark"] == "▸" else ""),
                Column("answer", "Answer", flex=True),
            ),
            "name",
        )
        with VerticalScroll():
            yield Static("", id="about", markup=False)

    def changed(self, topic: str, value: Any) -> None:
        self.load()

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        asked = (ServiceShow("site"), ServiceShow("auth"), BackendList(), CertList(), MapList(), AdminList())
        site, auth, backends, certificates, maps, administrators = await asyncio.gather(*map(self._value, asked))
        self.known = self.known._replace(
            site=_settings(site), auth=_settings(auth), backends=backends or (), certificates=certificates or (),
            maps=maps or (), administrators=administrators or (), host=os.uname().nodename,
        )  # fmt: skip
        self.say()
        if not self.known.backends and not self._looked:
            self._looked = True
            self.known = self.known._replace(found=await self._value(BackendFind()) or ())
            self.say()

    async def _value(self, request: Request) -> Any:
        """None where it was refused: then the question stays open."""
        try:
            return (await self.console.node.ask(request)).value
        except Refused:
            return None

    def say(self) -> None:
        """As it is now; the cursor goes to the first open question when it comes here."""
        if not self.query(Rows):  # it is closing
            return
        first, self.listed = not self.listed, steps(self.known)
        rows = self.query_one(Rows)
        rows.show([_row(number, step, self._next()) for number, step in enumerate(self.listed, 1)])
        if first:
            self.action_next()
        self._say_about()
        self.console.say()

    def _next(self) -> str:
        return next((step.name for step in self.listed if not step.done), "")

    def _say_about(self) -> None:
        key = self.query_one(Rows).current_key()
        step = next((step for step in self.listed if step.name == key), None)
        if step is not None:
            text = Text(step.about + "\n")
            for line in self.told.get(step.name, ()):
                text.append(f"\n{line}", _weight(line))
            for shown in self.query("#about").results(Static):  # none while it closes
                shown.update(text)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        self._say_about()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.action_answer()

    def action_next(self) -> None:
        """The cursor to the first question that is open."""
        names = [step.name for step in self.listed]
        if (name := self._next()) in names:
            self.query_one(Rows).move_cursor(row=names.index(name))

    @work(exclusive=True, group="act")
    async def action_answer(self) -> None:
        """The question under the cursor."""
        key = self.query_one(Rows).current_key()
        if key is not None and self.console.role != "viewer":
            await self.answer(key)
            self.load()


def _settings(value: Any) -> dict[str, Any] | None:
    return None if value is None else {one["name"]: one for one in value["settings"]}


def _row(number: int, step: Step, following: str) -> Row:
    mark = "✓" if step.done else "▸" if step.name == following else "·"
    return {"name": step.name, "number": number, "mark": mark, "title": step.title, "answer": step.answer}


def _weight(line: str) -> str:
    return "bold" if line.startswith(("✗", "✓")) else "dim"


HELP: Final = "Seven questions from an empty node to a log-in."
PLACE = Place("first-run", "First run", HELP, FirstRun, order=90)
