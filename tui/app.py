"""The console: a stack of places over one node, fed by its watch.

Esc goes back, `:` (or Ctrl+P) anywhere, `/` to a person, `?` lists the keys. Must never wait for the node in the loop,
print a secret when it crashes, write a file, or start a program.
"""

from __future__ import annotations

import os
import uuid
from typing import Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from appliance.control.api import Refused
from appliance.control.api.console import ConsoleWho
from appliance.control.api.watch import Watch
from tui.node import Connect, Node, Stream
from tui.palette import Palette
from tui.place import PlaceScreen, places
from tui.screens.overview import Overview
from tui.themes import THEMES
from tui.widgets.frame import Title


class Console(App[None]):
    """What `postern tui` shows."""

    TITLE = "postern"
    CSS_PATH = "style.tcss"
    COMMANDS: ClassVar = {Palette}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("colon", "command_palette", "go to", key_display=":"),
        Binding("slash", "find", "find", key_display="/"),
        Binding("u", "undo", "undo", show=False),
        Binding("ctrl+t", "next_theme", "theme", show=False),
        Binding("ctrl+q", "quit", "leave", show=False, priority=True),
    ]

    def __init__(self, connect: Connect) -> None:
        super().__init__()
        self.node = Node(connect)
        self.facts: dict[str, Any] = {}  # topic: value, as the watch told last
        self.node_name = self.who = self.role = self.lost = self.waiting_for = ""
        self.commands: list[str] = []  # what was done here, as commands, the latest last
        self._watch: Stream | None = None
        self.animation_level = "none"  # each frame is paid for on a slow line
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = _theme_for(os.environ)

    async def on_mount(self) -> None:
        """Learn who I am before anything is painted: one round trip."""
        try:
            who = (await self.node.ask(ConsoleWho())).value
        except Refused as refused:
            self.exit(return_code=1, message=refused.text)
            return
        self.node_name, self.who, self.role = who["node"], who["name"], who["role"]
        self._watch = self.node.follow(Watch(), self._heard, self._lost)
        await self.push_screen(Overview())

    def on_unmount(self) -> None:
        if self._watch is not None:
            self._watch.close()

    # --- the watch ---

    def _heard(self, event: Any) -> None:
        topic, value = event["topic"], event["value"]
        self.facts[topic] = value
        if self.lost:
            self.lost = ""
            self._say_title()
        screen = self.screen
        if isinstance(screen, PlaceScreen) and screen.is_mounted and topic in screen.topics:
            screen.changed(topic, value)

    def _lost(self, why: str) -> None:
        self.lost = why
        self._say_title()

    def _say_title(self) -> None:
        for title in self.screen.query(Title):
            title.say()

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
        """Esc. The overview is the last."""
        if len(self.screen_stack) > 2:
            self.pop_screen()

    # --- saying ---

    def complain(self, text: str) -> None:
        """Something was refused."""
        self.notify(text, severity="error", timeout=10, markup=False)

    def did(self, command: str, note: str = "") -> None:
        """Something was done: as which command, and what the node remarked."""
        self.commands.append(command)
        self.notify("\n".join(filter(None, (note, command))), title="done", markup=False)

    # --- leaving ---

    def _handle_exception(self, error: Exception) -> None:
        """A bug: its kind and place, for whoever repairs it; no values, which might be secret."""
        from tui.crash import told

        self._return_code = 1
        self._exception = error
        self.panic(told(error, uuid.uuid4().hex[:8]))


def _theme_for(environment: Any) -> str:
    """What the terminal can show."""
    if "COLORTERM" in environment or "256color" in environment.get("TERM", ""):
        return "postern-dark"
    return "postern-16"


def main(connect: Connect) -> int:
    """Show the console on this terminal, until it is left. Returns the exit status."""
    console = Console(connect)
    console.run()
    return console.return_code or 0
