"""A place of the console: one screen that `:` leads to. Each file of tui/screens defines one, as PLACE.

A screen yields its widgets in `body`, reads in `load`, and hears in `changed` of the topics of the watch that it names.
Must never wait: questions are awaited in workers; nothing is shown that was not escaped (words.plain).
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import msgspec
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen

from appliance.control.api import Done, Progress, Refused, Request
from tui.widgets.dialog import Confirm
from tui.widgets.filter import Filter
from tui.widgets.frame import Keys, Line, Said, Title, Trial

if TYPE_CHECKING:
    from tui.app import Console


class Place(NamedTuple):
    """Where one can go."""

    name: str  # what `:` takes, and a prefix of it
    title: str
    help: str  # one line, for the palette and `?`
    screen: Callable[..., PlaceScreen]  # called with the subject, if `:sessions maria` or an alert names one
    key: str = ""  # from the overview
    order: int = 100  # in lists


@cache
def places() -> dict[str, Place]:
    """All of them, by name, in their order. Imports every screen: not before the first one is painted."""
    package = import_module("tui.screens")
    found: Iterable[Place] = (
        module.PLACE
        for one in pkgutil.iter_modules(package.__path__)
        if hasattr(module := import_module(f"tui.screens.{one.name}"), "PLACE")
    )
    return {place.name: place for place in sorted(found, key=lambda place: (place.order, place.name))}


class PlaceScreen(Screen[None]):
    """A screen of the console: title, body, keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.back", "back", show=False),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("question_mark", "app.keys", "keys", key_display="?"),
    ]
    place: ClassVar[str] = ""  # its name
    topics: ClassVar[Sequence[str]] = ()  # of the watch

    def __init__(self, subject: str = "") -> None:
        super().__init__()
        self.subject = subject

    @property
    def console(self) -> Console:
        """The app."""
        return cast("Console", self.app)

    def compose(self) -> ComposeResult:
        yield Title()
        yield Trial()
        with Vertical(id="body"):
            yield from self.body()
        yield Said()
        yield Keys()

    def body(self) -> ComposeResult:
        """What is between title and keys."""
        yield from ()

    def heading(self) -> str:
        """What the title says beside node and time; of the subject, if there is one."""
        return f"{self.place} · {self.subject}" if self.subject else self.place

    def on_mount(self) -> None:
        self.load()

    def on_screen_resume(self) -> None:
        """It is on top, perhaps again: what changed meanwhile was not shown."""
        for line in self.query(Line):
            line.say()
        for topic in self.topics:
            if topic in self.console.facts:
                self.changed(topic, self.console.facts[topic])

    def load(self) -> Any:
        """Ask for what is shown; usually a worker."""

    def changed(self, topic: str, value: Any) -> None:
        """Something that the node watches is another than it was. Only told while this screen is on top."""

    # --- filtering ---

    def action_filter(self) -> None:
        """`/` in a list; elsewhere it finds a person."""
        for found in self.query(Filter):
            found.open()
            return
        self.console.action_find()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a list can be filtered."""
        if action == "filter" and not self.query(Filter):
            return False
        return super().check_action(action, parameters)

    def on_filter_typed(self, event: Filter.Typed) -> None:
        event.stop()
        self.filtered(event.text)

    def filtered(self, text: str) -> None:
        """The filter is another one; for screens whose body has one."""

    # --- asking and doing ---

    async def ask(
        self, request: Request, file: Any = None, progress: Callable[[Progress], None] | None = None
    ) -> Done | None:
        """The answer; None if it was refused, which is shown."""
        try:
            return await self.console.node.ask(request, file, progress)
        except Refused as refused:
            self.console.complain(refused.text)
            return None

    async def act(
        self, request: Request, command: str, question: str = "", effect: Sequence[str] = (), trial: bool = False
    ) -> Done | None:
        """Change something: asked first if there is a question, with its effect; then shown as the command it is.

        `trial`: the node takes it back after a minute unless it is kept; for what may lock people out.
        For workers: it waits for the answer to the question. None: it was left, or refused.
        """
        if trial:
            effect = [*effect, "Taken back by itself after 60 s, unless you press K then."]
        if question and not await self.console.push_screen_wait(Confirm(question, effect, command)):
            return None
        try:
            done = await self.console.node.ask(_tried(request) if trial else request)
        except Refused as refused:
            await self._refused(refused, request, command)
            return None
        self.console.did(command, done.note)
        self.load()
        return done

    async def _refused(self, refused: Refused, request: Request, command: str) -> None:
        if not (isinstance(refused.value, dict) and refused.value.get("conflict")):
            self.console.complain(refused.text)
            return
        from tui.conflict import Conflict, theirs

        theirs_now = await theirs(self.console.node)
        await self.console.push_screen_wait(Conflict(refused.text, request, command, theirs_now))
        self.load()

    @work(exclusive=True, group="act")
    async def change(
        self, request: Request, command: str, question: str = "", effect: Sequence[str] = (), trial: bool = False
    ) -> None:
        """As `act`, from a key."""
        await self.act(request, command, question, effect, trial)


def _tried(request: Request) -> Request:
    from appliance.control.api.trial import Try

    return Try(msgspec.to_builtins(request))
