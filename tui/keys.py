"""`?` - every key of a screen with its words, as the bindings themselves have them."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.place import PlaceScreen, places
from tui.words import plain

EVERYWHERE = "everywhere"


class AllKeys(ModalScreen[None]):
    """The list; any of Esc, ? and q closes it."""

    DEFAULT_CSS = """
    AllKeys { align: center middle; }
    AllKeys > VerticalScroll { width: 76; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
                               border: round $accent; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "back"),
        Binding("j,down", "scroll_down", show=False),
        Binding("k,up", "scroll_up", show=False),
    ]

    def __init__(self, of: PlaceScreen) -> None:
        super().__init__()
        place = places().get(of.place)
        self.help_text = place.help if place else ""
        self.groups: dict[str, list[tuple[str, str]]] = {}
        for active in of.active_bindings.values():
            if active.enabled and active.binding.description and not active.binding.system:
                where = "here" if active.node is of else EVERYWHERE if active.node is of.app else "in the list"
                said = active.binding.description
                if active.binding.action.startswith("app.") and not active.binding.action.startswith("app.go"):
                    where = EVERYWHERE
                self.groups.setdefault(where, []).append((of.app.get_key_display(active.binding), said))

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self._table())

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, justify="right")
        table.add_column()
        if self.help_text:
            table.add_row("", Text(plain(self.help_text)))
        for where in ("here", "in the list", EVERYWHERE):
            if where in self.groups:
                table.add_row("", Text(where, style="dim"))
            for key, said in _joined(self.groups.get(where, ())):
                table.add_row(Text(key, style="bold"), Text(plain(said)))
        return table


def _joined(pairs: list[tuple[str, str]] | tuple[()]) -> list[tuple[str, str]]:
    """Keys that do the same on one line."""
    found: dict[str, list[str]] = {}
    for key, said in pairs:
        found.setdefault(said, []).append(key)
    return [(" ".join(keys), said) for said, keys in found.items()]
