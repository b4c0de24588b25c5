"""`:` - every place by name, what can be done on the screen that is open, and people. Enter takes the first.

Places and actions answer each key at once, so that a name typed blindly leads where it says; people follow. Must never
show an address that was not escaped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from appliance.control.api import Refused
from appliance.control.api.watch import Find
from tui.place import places
from tui.widgets.rows import Column, Row, Rows

if TYPE_CHECKING:
    from tui.app import Console

PEOPLE: Final = 5
LETTERS: Final = 3  # of somebody, before people are looked for
PAUSE: Final = 0.15  # seconds without a key, likewise


class Hit(NamedTuple):
    """One line, and what happens if it is taken."""

    name: str
    help: str
    rank: int  # the least is the first
    run: Callable[[], Awaitable[Any] | None]


class Palette(ModalScreen[None]):
    """One line, and where it may lead."""

    DEFAULT_CSS = """
    Palette { align: center top; }
    Palette > Vertical { width: 76; max-width: 100%; height: auto; max-height: 100%; margin-top: 1;
                         border: round $accent; background: $surface; }
    Palette Rows { height: auto; max-height: 18; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "back"),
        Binding("down,ctrl+n", "move(1)", "next", priority=True),
        Binding("up,ctrl+p", "move(-1)", "the one before", priority=True),
    ]

    def __init__(self, over: Screen[Any]) -> None:
        super().__init__()
        self._actions = _actions(over)
        self._hits: list[Hit] = []

    def compose(self) -> ComposeResult:
        columns = (Column("name", "", width=26), Column("help", "", flex=True, style=lambda _: "secondary"))
        with Vertical():
            yield Input(placeholder="where to, what to do, or whom to see", compact=True, max_length=320)
            yield Rows(columns, "key", show_header=False, classes="picking")

    def on_mount(self) -> None:
        self.query_one(Rows).can_focus = False
        self.query_one(Input).focus()
        self._show(self._found(""))

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show(self._found(event.value))
        self._add_people(event.value.strip())

    @work(exclusive=True)
    async def _add_people(self, text: str) -> None:
        if len(text) < LETTERS:
            return
        await asyncio.sleep(PAUSE)  # the next key ends this
        try:
            found = (await self.console.node.ask(Find(text, PEOPLE))).value
        except Refused:
            return
        people = [
            Hit(one["address"], "a person", 9, partial(self.console.go, "person", one["address"])) for one in found
        ]
        self._show([*self._found(text), *people])

    def _found(self, typed: str) -> list[Hit]:
        """Places whose name begins so, then what contains it; `sessions maria` goes there with a subject."""
        name, _, subject = typed.strip().lower().partition(" ")
        hits = []
        for place in places().values():
            if name in place.name or (not subject and name in place.help.lower()):
                rank = 0 if place.name.startswith(name) else 2 if name in place.name else 3
                shown = f"{place.name} {subject}".strip()
                hits.append(Hit(shown, place.help, rank, partial(self.console.go, place.name, subject)))
        words = typed.lower().split()
        hits += [hit for hit in self._actions if all(word in hit.name.lower() for word in words)]
        return sorted(hits, key=lambda hit: hit.rank)

    def _show(self, hits: list[Hit]) -> None:
        self._hits = hits
        rows: list[Row] = [{**hit._asdict(), "key": number} for number, hit in enumerate(hits)]
        self.query_one(Rows).show(rows)
        self.query_one(Rows).move_cursor(row=0)

    def action_move(self, by: int) -> None:
        """Along the list, while one types."""
        rows = self.query_one(Rows)
        if by > 0:
            rows.action_cursor_down()
        else:
            rows.action_cursor_up()

    def on_input_submitted(self) -> None:
        self._take()

    def on_data_table_row_selected(self) -> None:
        self._take()

    def _take(self) -> None:
        row = self.query_one(Rows).current()
        if row is not None:
            hit = self._hits[row["key"]]
            self.dismiss()
            self.app.call_later(hit.run)  # when this screen is gone

    @property
    def console(self) -> Console:
        """The app."""
        return cast("Console", self.app)


def _actions(over: Screen[Any]) -> list[Hit]:
    """What keys do there, other than moving about; each once."""
    found: dict[str, Hit] = {}
    for active in over.active_bindings.values():
        binding = active.binding
        here = active.node in (over, over.app) and not binding.action.startswith("app.go(")
        if here and active.enabled and binding.description and binding.action != "palette":
            run = partial(over.app.run_action, binding.action, active.node)
            key = over.app.get_key_display(binding)
            found.setdefault(binding.description, Hit(binding.description, f"here, by the key {key}", 5, run))
    return list(found.values())
