"""A screen that hides everything until whoever comes back shows who they are; and one that asks for a code at first.

The node judges the code, never this process. Must never leave what was on the screen visible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input, Static

from appliance.control.api import Refused
from appliance.control.api.console import ConsoleCode
from tui.words import plain

if TYPE_CHECKING:
    from tui.app import Console

IDLE: Final = 15 * 60.0  # seconds without a key


class Asking(Screen[None]):
    """One line for a code or a password, and what became of it."""

    DEFAULT_CSS = """
    Asking { align: center middle; background: $background; }
    Asking > Vertical { width: 64; max-width: 100%; height: auto; }
    Asking Static { width: 100%; margin-bottom: 1; }
    Asking Input { background: $surface; }
    Asking .wrong { color: $error; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "clear", show=False)]
    TITLE_TEXT: ClassVar = ""

    @property
    def console(self) -> Console:
        """The app."""
        return cast("Console", self.app)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(f"postern  {plain(self.console.node_name)}  {plain(self.console.who)}", markup=False)
            yield Static(self._words(), markup=False)
            if self._needs_code():
                yield Input(password=True, compact=True, max_length=256)
            yield Static("", classes="wrong", markup=False)

    def _words(self) -> str:
        me = self.console.me
        if me.get("totp"):
            return f"{self.TITLE_TEXT}One-time code, then Enter; Ctrl+Q leaves."
        if me.get("password"):
            return f"{self.TITLE_TEXT}Password, then Enter; Ctrl+Q leaves."
        return f"{self.TITLE_TEXT}Enter opens it again: you have neither password nor one-time codes to ask for."

    def _needs_code(self) -> bool:
        return bool(self.console.me.get("totp") or self.console.me.get("password"))

    @work(exclusive=True)
    async def on_input_submitted(self, event: Input.Submitted) -> None:
        code, event.input.value = event.value.strip(), ""
        try:
            await self.console.node.ask(ConsoleCode(code))
        except Refused as refused:
            self.query_one(".wrong", Static).update(plain(refused.text))
            return
        await self.opened()

    def action_clear(self) -> None:
        """Type it anew."""
        for line in self.query(Input):
            line.value = ""

    async def opened(self) -> None:
        """It was right."""


class Door(Asking):
    """Before anything else, where a key alone is not enough."""

    TITLE_TEXT = "One thing more. "

    async def opened(self) -> None:
        self.dismiss()


class Lock(Asking):
    """Over everything, after a while without a key."""

    TITLE_TEXT = "Locked. "
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "enter", show=False)]

    async def on_key(self) -> None:
        """Without a code any Enter will do; other keys say nothing to what is below."""

    async def action_enter(self) -> None:
        """Open, where there is nothing to ask for."""
        if not self._needs_code():
            await self.opened()

    async def opened(self) -> None:
        self.console.unlock()

    def on_screen_resume(self) -> None:
        """Locked anew: nothing is left of the last time."""
        self.query_one(".wrong", Static).update("")
        self.action_clear()
