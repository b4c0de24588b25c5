"""The console: a stack of places over one node, fed by its watch.

Esc goes back, `:` (or Ctrl+P) anywhere, `f` to a person, `?` lists the keys. Must never wait for the node in the loop,
print a secret when it crashes, write a file, start a program, or show anything while it is locked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import Any, ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.screen import Screen

from appliance.control.api import Refused, Request
from appliance.control.api.console import ConsoleWho
from appliance.control.api.watch import TOPICS, Watch
from tui.harmless import Harmless
from tui.lock import IDLE, Door, Lock
from tui.node import Connect, Node, Stream
from tui.place import PlaceScreen, places
from tui.screens.overview import Overview
from tui.themes import THEMES, theme_for
from tui.widgets.frame import Keys, Line

FIRST: Final = TOPICS  # all that the node says of itself at once
PATIENCE: Final = 0.3  # seconds that the first screen waits for them, to be painted once
TRIAL_KEYS: Final = ("keep_trial", "give_up_trial")


class Ground(Screen[None]):
    """What the places stand on: nothing to see."""


class Console(Harmless):
    """What `postern tui` shows."""

    TITLE = "postern"
    CSS_PATH = "style.tcss"
    MODES: ClassVar = {"open": Ground, "locked": Lock}
    DEFAULT_MODE = "open"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "find", "find a person"),
        Binding("slash", "find", "find a person", key_display="/", show=False),
        Binding("colon", "palette", "go to", key_display=":"),
        Binding("ctrl+p", "palette", "go to", show=False),
        Binding("u", "undo", "undo the last change", show=False),
        Binding("ctrl+t", "next_theme", "next theme: dark, light, 16 colours", show=False),
        Binding("ctrl+l", "lock", "lock this screen", show=False),
        Binding("ctrl+q", "quit", "leave", show=False, priority=True),
        Binding("K", "keep_trial", "keep the change on trial", show=False, priority=True),
        Binding("G", "give_up_trial", "take back the change on trial", show=False, priority=True),
    ]

    def __init__(self, connect: Connect) -> None:
        super().__init__()
        self.node = Node(connect)
        self.facts: dict[str, Any] = {}  # topic: value, as the watch told last
        self.node_name = self.who = self.role = self.lost = self.waiting_for = ""
        self.me: dict[str, Any] = {}  # the answer to ConsoleWho
        self.commands: list[str] = []  # what was done here, as commands, the latest last
        self.said, self.said_refused = "", False
        self.locked = False
        self.idle_after = IDLE
        self._watch: Stream | None = None
        self._facts_came = asyncio.Event()
        self._touched = time.monotonic()
        self.animation_level = "none"  # each frame is paid for on a slow line
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = theme_for(os.environ)

    # --- coming in ---

    async def on_mount(self) -> None:
        """Learn who I am before anything is painted: one round trip."""
        if not await self._learn_who():
            return
        if self.me["locked"]:
            await self.push_screen(Door(), self._let_in)
        else:
            await self._begin()

    async def _learn_who(self) -> bool:
        try:
            self.me = (await self.node.ask(ConsoleWho())).value
        except Refused as refused:
            self.exit(return_code=1, message=refused.text)
            return False
        self.node_name, self.who, self.role = self.me["node"], self.me["name"], self.me["role"]
        return True

    async def _let_in(self, _: object) -> None:
        if await self._learn_who():
            await self._begin()

    async def _begin(self) -> None:
        self._watch = self.node.follow(Watch(), self._heard, self._lost)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._facts_came.wait(), PATIENCE)
        self._touched = time.monotonic()
        self.set_timer(self.idle_after, self._perhaps_lock)
        await self.push_screen(Overview())
        if self.role != "viewer" and self.facts.get("overview", {}).get("backends") == []:
            self.go("first-run")  # nothing flows before there is a store

    def on_unmount(self) -> None:
        if self._watch is not None:
            self._watch.close()

    # --- the watch ---

    def _heard(self, event: Any) -> None:
        topic, value = event["topic"], event["value"]
        self.facts[topic] = value
        if self.lost:
            self.lost = ""
            self.say()
        if topic == "revision":
            self.say()
        if all(first in self.facts for first in FIRST):
            self._facts_came.set()
        screen = self.screen
        if isinstance(screen, PlaceScreen) and screen.is_mounted and topic in screen.topics:
            screen.changed(topic, value)

    def _lost(self, why: str) -> None:
        self.lost = why
        self.say()

    @property
    def trial(self) -> dict[str, Any] | None:
        """The change that waits to be kept, if there is one: {id, until, what}."""
        trial: dict[str, Any] | None = (self.facts.get("revision") or {}).get("trial")
        return trial

    # --- going ---

    def go(self, name: str, subject: str = "") -> None:
        """To a place."""
        place = places().get(name)
        if place is not None:
            self.push_screen(place.screen(subject))

    def action_go(self, name: str, subject: str = "") -> None:
        """As a binding's action."""
        self.go(name, subject)

    async def action_back(self) -> None:
        """Esc: what was said goes, then the screen. The overview is the last."""
        if self.said:
            self._say("")
        elif len(self.screen_stack) > 2:
            self.pop_screen()

    def push_screen(self, screen: Any, *arguments: Any, **options: Any) -> Any:
        """As Textual's; while locked behind the lock."""
        if self.locked:
            options["mode"] = options.get("mode") or "open"
        return super().push_screen(screen, *arguments, **options)

    def action_palette(self) -> None:
        """Anywhere."""
        from tui.palette import Palette

        if isinstance(self.screen, PlaceScreen):
            self.push_screen(Palette(self.screen))

    def action_find(self) -> None:
        """A person, from anywhere."""
        from tui.finding import Finding

        self.push_screen(Finding())

    def action_keys(self) -> None:
        """All keys of this screen."""
        from tui.keys import AllKeys

        if isinstance(self.screen, PlaceScreen):
            self.push_screen(AllKeys(self.screen))

    def action_undo(self) -> None:
        """The last change."""
        from tui.undo import undo

        if isinstance(self.screen, PlaceScreen):
            self.screen.run_worker(undo(self.screen), exclusive=True, group="act")

    def action_next_theme(self) -> None:
        """For this session."""
        names = [theme.name for theme in THEMES]
        at = names.index(self.theme) if self.theme in names else 0
        self.theme = names[(at + 1) % len(names)]

    # --- saying ---

    def complain(self, text: str) -> None:
        """Something was refused."""
        self._say(text, refused=True)

    def did(self, command: str, note: str = "") -> None:
        """Something was done: as which command, and what the node remarked."""
        self.commands.append(command)
        self._say("\n".join(filter(None, (note, f"done: {command}"))))

    def notify(self, message: str, *, severity: Any = "information", **_: Any) -> None:
        """In the line above the keys: a toast would lie over the last rows."""
        self._say(message, refused=severity == "error")

    def _say(self, text: str, refused: bool = False) -> None:
        self.said, self.said_refused = text, refused
        self.say()

    def say(self) -> None:
        """Title, trial, and what was said: as they are now."""
        for screen in self.screen_stack:
            for line in screen.query(Line):
                if not isinstance(line, Keys):
                    line.say()

    # --- a change on trial ---

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While locked nothing but leaving; the keys of a trial while there is one, and nobody types."""
        if self.locked or not self.me or self.me["locked"]:
            return action == "quit"
        if action in TRIAL_KEYS:
            return self.trial is not None and not (self.focused and self.focused.check_consume_key("K", "K"))
        return super().check_action(action, parameters)

    def action_keep_trial(self) -> None:
        """Keep it."""
        from appliance.control.api.trial import Keep

        self._end_trial(Keep(str((self.trial or {}).get("id", ""))), "postern config keep")

    def action_give_up_trial(self) -> None:
        """Take it back at once."""
        from appliance.control.api.trial import GiveUp

        self._end_trial(GiveUp(), "postern config give-up")

    def _end_trial(self, request: Request, command: str) -> None:
        for screen in reversed(self.screen_stack):
            if isinstance(screen, PlaceScreen):
                screen.change(request, command)
                return

    # --- locking ---

    async def on_event(self, event: events.Event) -> None:
        """Keys and clicks say that somebody is there."""
        if isinstance(event, events.Key | events.MouseDown | events.Paste):
            self._touched = time.monotonic()
        await super().on_event(event)

    def _perhaps_lock(self) -> None:
        left = self._touched + self.idle_after - time.monotonic()
        if left <= 0:
            self.action_lock()
            left = self.idle_after
        self.set_timer(left, self._perhaps_lock)

    def action_lock(self) -> None:
        """Hide everything until a code, or who has none a key, opens again."""
        if not self.locked and self.me:
            self.locked = True
            self.switch_mode("locked")

    def unlock(self) -> None:
        """The code was right."""
        self.locked = False
        self.switch_mode("open")

    # --- leaving ---

    def _handle_exception(self, error: Exception) -> None:
        """A bug: its kind and place, for whoever repairs it; no values, which might be secret."""
        from tui.crash import told

        self._return_code = 1
        self._exception = error
        self.panic(told(error, os.urandom(4).hex()))


def main(connect: Connect) -> int:
    """Show the console on this terminal, until it is left. Returns the exit status."""
    console = Console(connect)
    console.run()
    return console.return_code or 0
