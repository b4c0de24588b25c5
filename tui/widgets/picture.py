"""A QR code that a telephone reads from the terminal, with the same as text. Shown once; must never be kept or logged.

Black on white whatever the theme is, in half blocks: two of its squares in one letter, with the white edge it needs.
"""

from __future__ import annotations

from typing import ClassVar

import segno
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.words import plain

_HALVES = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}


class Picture(ModalScreen[None]):
    """The picture, until a key is pressed."""

    DEFAULT_CSS = """
    Picture { align: center middle; }
    Picture > Vertical { width: auto; max-width: 100%; height: auto; padding: 0 1; background: $surface; }
    Picture Static { width: auto; max-width: 78; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,space", "dismiss(None)", "done")]

    def __init__(self, uri: str, secret: str) -> None:
        super().__init__()
        self.uri, self.secret = uri, secret

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(drawn(self.uri))
            yield Static(f"Read it with an app for codes, or type: {plain(self.secret)}", markup=False)
            yield Static("It is not shown again. Esc closes.", markup=False)


def drawn(content: str) -> Text:
    """The code as lines of half blocks."""
    code = segno.make(content, error="l", micro=False)
    rows = [list(row) for row in code.matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    lines = ["".join(_HALVES[bool(upper), bool(lower)] for upper, lower in zip(one, two, strict=True))
             for one, two in zip(rows[::2], rows[1::2], strict=True)]  # fmt: skip
    return Text("\n".join(lines), style="#000000 on #ffffff", no_wrap=True)
