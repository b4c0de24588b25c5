"""The first and the last line of every screen: where I am, and which keys do something here.

Must never be painted again while they say the same.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual.binding import Binding
from textual.widgets import Static

from tui.words import plain

if TYPE_CHECKING:
    from tui.app import Console
    from tui.place import PlaceScreen


class Title(Static):
    """Node, place, time, and who I am."""

    DEFAULT_CSS = """
    Title { dock: top; height: 1; background: $panel; color: $foreground; }
    """

    def on_mount(self) -> None:
        self.say()
        self.set_interval(20, self.say)  # the clock shows minutes

    def say(self) -> None:
        """As it is now."""
        console, screen = cast("Console", self.app), cast("PlaceScreen", self.screen)
        left = Text.assemble((" postern ", "bold"), f" {plain(console.node_name)} · {plain(screen.heading())}")
        if console.lost:
            left.append(f"   no connection: {plain(console.lost, 60)}", "bold red")
        right = f"{console.waiting_for}{time.strftime('%H:%M')}  {plain(console.who, 20)} "
        room = self.app.size.width - len(right)
        left.truncate(max(room, 0), overflow="ellipsis", pad=True)
        self.update(left + Text(right))

    def on_resize(self) -> None:
        self.say()


class Keys(Static):
    """The keys of this screen, as many as there is room for."""

    DEFAULT_CSS = """
    Keys { dock: bottom; height: 1; background: $panel; color: $foreground; }
    """

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.say())
        self.call_after_refresh(self.say)

    def say(self) -> None:
        """As it is now."""
        text = Text(" ")
        room = self.app.size.width - 2
        for binding in self._shown():
            key = self.app.get_key_display(binding)
            if len(text) + len(key) + len(binding.description) + 3 > room:
                break
            text.append(key, "bold")
            text.append(f" {binding.description}  ")
        self.update(text)

    def _shown(self) -> list[Binding]:
        active = [one.binding for one in self.screen.active_bindings.values() if one.enabled]
        return [binding for binding in active if binding.show and binding.description]

    def on_resize(self) -> None:
        self.say()
