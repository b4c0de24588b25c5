"""One of several: a back-end, a file, or how a change is made. The first is what happens without a thought.

Arrows or vim keys, Enter or the number takes one, Esc none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.words import plain

Choices = Sequence[tuple[str, str]]  # what is meant, and how it reads


class Choose(ModalScreen[str | None]):
    """The choice; None if it was left."""

    DEFAULT_CSS = """
    Choose { align: center middle; }
    Choose > Vertical { width: auto; min-width: 44; max-width: 76; height: auto; max-height: 90%; padding: 1 2;
                        border: round $accent; background: $surface; }
    Choose Static { width: auto; max-width: 70; }
    Choose OptionList { width: auto; min-width: 40; max-width: 70; height: auto; max-height: 14; margin-top: 1;
                        border: none; padding: 0; background: $surface; }
    Choose OptionList:focus { border: none; }
    Choose .command { color: $secondary; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "leave"),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
        *(Binding(str(number), f"take({number})", show=False) for number in range(1, 10)),
    ]

    def __init__(
        self, question: str, choices: Choices, effect: Sequence[str] = (), command: str = "", current: str = ""
    ) -> None:
        super().__init__()
        self.question, self.choices, self.effect, self.command = question, choices, effect, command
        self.current = current

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(plain(self.question), markup=False)
            for line in self.effect:
                yield Static("  " + plain(line), markup=False)
            yield OptionList(*(Option(Text(f"{number:>2}  {plain(label)}", no_wrap=True, overflow="ellipsis"))
                               for number, (_, label) in enumerate(self.choices, 1)))
            if self.command:
                yield Static(plain(self.command), markup=False, classes="command")

    def on_mount(self) -> None:
        options, values = self.query_one(OptionList), [value for value, _ in self.choices]
        options.highlighted = values.index(self.current) if self.current in values else 0
        options.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.choices[event.option_index][0])

    def action_move(self, by: int) -> None:
        """Vim keys."""
        options = self.query_one(OptionList)
        if by > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()

    def action_take(self, number: int) -> None:
        """By its number."""
        if number <= len(self.choices):
            self.dismiss(self.choices[number - 1][0])
