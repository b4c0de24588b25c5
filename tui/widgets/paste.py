"""Where a text of several lines is pasted (certificates, keys): counted, not shown, for a key may be in it.

Takes a terminal's paste as one piece, and typed lines from terminals that cannot paste so. Holds 256 KiB at most.
"""

from __future__ import annotations

from typing import ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from tui.words import many, plain

MOST: Final = 256 * 1024


class Paste(Static, can_focus=True):
    """A place for a text that is not shown."""

    DEFAULT_CSS = """
    Paste { height: auto; min-height: 2; padding: 0 1; background: $surface; color: $foreground; }
    Paste:focus { background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+u", "clear", "clear", show=False)]

    class Changed(Message):
        """There is more of it, or nothing again."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Done(Message):
        """Enter on an empty line: that is all."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, invitation: str, **options: str) -> None:
        super().__init__(plain(invitation), markup=False, id=options.get("id"))
        self.invitation, self.text = plain(invitation), ""

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self._take(event.text.replace("\r\n", "\n").replace("\r", "\n"))

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            if not self.text or self.text.endswith("\n"):
                self.post_message(self.Done(self.text))
            else:
                self._take("\n")
        elif event.is_printable and event.character:
            event.stop()
            event.prevent_default()
            self._take(event.character)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Letters are text here, whatever they mean elsewhere."""
        return character is not None and character.isprintable()

    def _take(self, piece: str) -> None:
        self.text = (self.text + piece)[:MOST]
        self._say()

    def _say(self) -> None:
        lines = self.text.count("\n") + (not self.text.endswith("\n") and bool(self.text))
        so_far = f"{many(lines, 'line')}, {many(len(self.text), 'character')}, not shown   (Ctrl+U: again)"
        self.update(f"{self.invitation}\n{so_far}" if self.text else self.invitation)
        self.post_message(self.Changed(self.text))

    def action_clear(self) -> None:
        """Begin again."""
        self.text = ""
        self._say()
