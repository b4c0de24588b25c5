"""Questions before something happens: what exactly, to how many, and the command that does the same.

The default is always to leave everything as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from tui.words import plain


class Confirm(ModalScreen[bool]):
    """Yes or no."""

    DEFAULT_CSS = """
    Confirm { align: center middle; }
    Confirm > Vertical { width: auto; max-width: 76; height: auto; padding: 1 2; border: round $warning;
                         background: $surface; }
    Confirm Static { width: auto; max-width: 70; }
    Confirm .command { color: $secondary; margin-top: 1; }
    Confirm #answers { height: 1; margin-top: 1; layout: horizontal; width: auto; }
    Confirm Button { margin-right: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", "no"),
        Binding("y", "answer(True)", "yes"),
    ]

    def __init__(self, question: str, effect: Sequence[str] = (), command: str = "", yes: str = "Yes") -> None:
        super().__init__()
        self.question, self.effect, self.command, self.yes = question, effect, command, yes

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(plain(self.question), markup=False)
            for line in self.effect:
                yield Static("  " + plain(line), markup=False)
            if self.command:
                yield Static(plain(self.command), markup=False, classes="command")
            with Vertical(id="answers"):
                yield Button("Cancel", id="no", compact=True)
                yield Button(f"{self.yes} (y)", id="yes", variant="warning", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """By key."""
        self.dismiss(answer)


class Prompt(ModalScreen[str | None]):
    """One line of text; None if it was left."""

    DEFAULT_CSS = """
    Prompt { align: center middle; }
    Prompt > Vertical { width: 70; max-width: 90%; height: auto; padding: 1 2; border: round $accent;
                        background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "leave")]

    def __init__(self, question: str, value: str = "", secret: bool = False) -> None:
        super().__init__()
        self.question, self.value, self.secret = question, value, secret

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(plain(self.question), markup=False)
            yield Input(self.value, password=self.secret, compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)
