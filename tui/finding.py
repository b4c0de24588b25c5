"""`f` - a person, from anywhere: a part of the address is enough. Enter opens what is marked, else what was typed.

Must never ask for each letter, nor show an answer to an older question.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from appliance.control.api import Refused
from appliance.control.api.watch import Find
from tui.widgets.rows import Column, Rows
from tui.words import plain

if TYPE_CHECKING:
    from tui.app import Console

PAUSE: Final = 0.12  # seconds without a key
MOST: Final = 12


class Finding(ModalScreen[None]):
    """One line, and who it may mean."""

    DEFAULT_CSS = """
    Finding { align: center top; }
    Finding > Vertical { width: 76; max-width: 100%; height: auto; max-height: 100%; margin-top: 1;
                         border: round $accent; background: $surface; }
    Finding Rows { height: auto; max-height: 13; background: $surface; }
    Finding Static { color: $secondary; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "back"),
        Binding("down,ctrl+n", "move(1)", "next", priority=True),
        Binding("up,ctrl+p", "move(-1)", "the one before", priority=True),
    ]

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Input(placeholder="a person: part of the address", compact=True, max_length=320)
            yield Rows(
                (
                    Column("address", "Person", flex=True),
                    Column("backend", "lives on", width=14, show=lambda value: plain(value) or "in no map"),
                    Column("account", "account", width=8),
                ),
                "address",
                classes="picking",
            )
            yield Static("", markup=False)

    def on_mount(self) -> None:
        self.query_one(Rows).can_focus = False
        self.query_one(Input).focus()

    @work(exclusive=True)
    async def on_input_changed(self, event: Input.Changed) -> None:
        await asyncio.sleep(PAUSE)
        rows, hint, text = self.query_one(Rows), self.query_one(Static), event.value.strip()
        if not text:
            rows.show(())
            hint.update("")
            return
        try:
            found = (await cast("Console", self.app).node.ask(Find(text, MOST))).value
        except Refused as refused:
            hint.update(plain(refused.text))
            return
        rows.show(found)
        hint.update("" if found else "nobody in a map or with an account here; Enter explains the address anyway")

    def action_move(self, by: int) -> None:
        """Along the list, while one types."""
        rows = self.query_one(Rows)
        if by > 0:
            rows.action_cursor_down()
        else:
            rows.action_cursor_up()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        current, typed = self.query_one(Rows).current(), event.value.strip()
        whole = "@" in typed and not (current and typed.lower() in current["address"].lower())
        self._open(typed if current is None or whole else current["address"])

    def on_data_table_row_selected(self) -> None:
        current = self.query_one(Rows).current()
        self._open(current["address"] if current else "")

    def _open(self, address: str) -> None:
        self.dismiss()
        if address:
            cast("Console", self.app).go("person", address)
