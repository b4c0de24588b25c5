"""A screen that is one list: filtered by typing, a line below it that says how much of what is shown.

What only looks has lower-case keys, what changes something has upper-case ones, which viewers do not see.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from appliance.control.api import Done, Progress, Request
from appliance.control.api.backends import BackendList
from tui.place import PlaceScreen
from tui.widgets.choose import Choices, Choose
from tui.widgets.dialog import Confirm, Prompt
from tui.widgets.filter import Filter
from tui.widgets.rows import Row, Rows
from tui.words import plain


def command(*words: str) -> str:
    """What one types to do the same."""
    return shlex.join(("postern", *words))


class Listing(PlaceScreen):
    """Filter, list, summary."""

    DEFAULT_CSS = """
    Listing Rows { height: 1fr; overflow-x: hidden; }
    Listing .summary { height: auto; max-height: 5; padding: 0 1; color: $secondary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", show=False),
    ]
    hint: ClassVar[str] = ""  # what the filter looks at

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self.wanted = ""  # as the filter says
        self._revision: object = None
        self._summary = ""

    def body(self) -> ComposeResult:
        yield Filter(self.hint)
        yield self.table()
        yield Static("", classes="summary", markup=False)

    def table(self) -> Rows:
        """The list."""
        raise NotImplementedError

    @property
    def rows(self) -> Rows:
        """The list, once it is there."""
        return self.query_one(Rows)

    def on_mount(self) -> None:
        self.rows.focus()
        super().on_mount()

    @property
    def is_shown(self) -> bool:
        """Whether its widgets are there: an answer may come when the screen was left."""
        return self.is_running and bool(self.query(Rows))

    async def ask(
        self, request: Request, file: Any = None, progress: Callable[[Progress], None] | None = None
    ) -> Done | None:
        """As PlaceScreen's; None, too, if nobody looks any more."""
        done = await super().ask(request, file, progress)
        return done if self.is_shown else None

    def summary(self, text: str) -> None:
        """What the line below the list says."""
        if text != self._summary and self.is_shown:
            self._summary = text
            self.query_one(".summary", Static).update(text)

    def is_new(self, revision: Any) -> bool:
        """Whether the configuration is another than when this was asked last."""
        before, self._revision = self._revision, revision["revision"]
        return before not in (None, self._revision)

    # --- filter ---

    def filtered(self, text: str) -> None:
        """The filter is another one: usually asks anew."""
        self.wanted = text
        self.console.say()  # the title may name it
        self.load()

    async def action_leave(self) -> None:
        """Esc: first out of the filter."""
        if self.wanted:
            self.query_one(Filter).action_leave()
        else:
            await self.console.run_action("back")

    def matching(self, rows: list[Row], *keys: str) -> list[Row]:
        """Those that have every word of the filter in one of these values."""
        words = self.wanted.lower().split()
        texts = [" ".join(plain(row.get(key)) for key in keys).lower() for row in rows]
        return [row for row, text in zip(rows, texts, strict=True) if all(word in text for word in words)]

    # --- changing ---

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Who may only look is not offered changes; the node would refuse them anyway."""
        changes = any(
            binding.action.partition("(")[0] == action and binding.key.isupper()
            for bindings in self._bindings.key_to_bindings.values()
            for binding in bindings
        )
        return False if changes and self.console.role == "viewer" else super().check_action(action, parameters)

    async def choose(self, question: str, choices: Choices, **more: Any) -> str | None:
        """For workers."""
        return await self.console.push_screen_wait(Choose(question, choices, **more))

    async def confirm(self, question: str, *effect: str, command: str = "") -> bool:
        """For workers."""
        return await self.console.push_screen_wait(Confirm(question, effect, command))

    async def prompt(self, question: str, value: str = "", secret: bool = False) -> str:
        """For workers. Empty if it was left."""
        return await self.console.push_screen_wait(Prompt(question, value, secret)) or ""

    async def new_secret(self, whose: str) -> str:
        """A password, twice the same. Empty if it was left."""
        first = await self.prompt(f"New password of {whose}", secret=True)
        if not first:
            return ""
        if await self.prompt(f"The same again, for {whose}", secret=True) == first:
            return first
        self.console.complain("these were not the same: nothing was changed")
        return ""

    async def a_backend(self, question: str, current: str = "", none: str = "", but: str = "") -> str | None:
        """One of those that are configured, or, if it has a name, none of them (""). None: it was left."""
        found = await self.ask(BackendList())
        if found is None:
            return None
        drains = {"drain": ", takes no new sessions"}
        choices = [("", none)] if none else []
        for one in found.value:
            if one["name"] != but:
                choices.append((one["name"], f"{one['name']}   {one['health']}{drains.get(one['state'], '')}"))
        return await self.choose(question, choices, current=current)
