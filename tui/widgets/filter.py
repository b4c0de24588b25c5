"""The line that `/` opens: filters what a screen lists while it is typed; Esc shows everything again.

Must never ask for each letter: it waits for the typing to pause.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input

PAUSE: Final = 0.15  # seconds without a key
MOST: Final = 200  # letters


class Filter(Input):
    """One in a screen's body; the screen's `filtered` is told the text."""

    DEFAULT_CSS = """
    Filter, Filter:focus { height: 1; border: none; padding: 0 1; background: $surface; display: none; }
    Filter.open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "all again", priority=False),
        Binding("enter,down", "settle", "to the list"),
    ]

    class Typed(Message):
        """The typing paused."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, placeholder: str = "filter", **options: Any) -> None:
        super().__init__(placeholder=placeholder, compact=True, max_length=MOST, **options)
        self._pause: Timer | None = None
        self._told = ""

    def open(self, text: str | None = None) -> None:
        """Show it, with the cursor in it; `text`: as if it had been typed."""
        self.add_class("open")
        if text is not None:
            self.value = text
        self.focus()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE, self._tell)

    def _tell(self) -> None:
        if self.value.strip() != self._told:
            self._told = self.value.strip()
            self.post_message(self.Typed(self._told))

    def action_settle(self) -> None:
        """On to what was found, the filter stays."""
        self._tell()
        if not self.value:
            self.remove_class("open")
        self.screen.focus_next()

    def action_leave(self) -> None:
        """Everything again."""
        self.value = ""
        self._tell()
        self.remove_class("open")
        self.screen.focus_next()
