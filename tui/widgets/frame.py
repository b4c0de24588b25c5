"""What frames every screen: where I am, a change that waits to be kept, what was just said, and which keys there are.

Must never be painted again while they say the same.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, cast

from rich.text import Text
from textual.binding import Binding
from textual.timer import Timer
from textual.widgets import Static

from tui.themes import colour
from tui.words import plain

if TYPE_CHECKING:
    from tui.app import Console
    from tui.place import PlaceScreen


ALWAYS: Final = ("colon", "question_mark")  # whatever else there is no room for


class Line(Static):
    """Text that is painted when it is another one."""

    DEFAULT_CSS = """
    Line { height: 1; width: 100%; }
    """
    _shown: Text | None = None

    @property
    def console(self) -> Console:
        """The app."""
        return cast("Console", self.app)

    def tell(self, text: Text) -> None:
        """Say this, unless it is said already."""
        if text != self._shown or text.spans != (self._shown.spans if self._shown else None):
            self._shown = text
            self.update(text)

    def on_resize(self) -> None:
        self.say()

    def say(self) -> None:
        """As it is now."""


class Title(Line):
    """Node, place, time, and who I am."""

    DEFAULT_CSS = """
    Title { background: $panel; color: $foreground; }
    """

    def on_mount(self) -> None:
        self.say()
        self.set_interval(20, self._tick)  # the clock shows minutes

    def _tick(self) -> None:
        if self.screen.is_current:
            self.say()

    def say(self) -> None:
        """As it is now."""
        console, screen = self.console, cast("PlaceScreen", self.screen)
        left = Text.assemble((" postern ", "bold"), f" {plain(console.node_name)} · {plain(screen.heading(), 60)}")
        if console.lost:
            red = colour(self.app.current_theme, "error")
            left.append(f"   no connection: {plain(console.lost, 60)}", f"bold {red}")
        role = "" if console.role in ("", "owner") else f" ({plain(console.role, 20)})"
        right = f"{console.waiting_for}{time.strftime('%H:%M')}  {plain(console.who, 20)}{role} "
        room = self.app.size.width - len(right)
        left.truncate(max(room, 0), overflow="ellipsis", pad=True)
        self.tell(left + Text(right))


class Trial(Line):
    """A change that the node takes back by itself unless somebody who still reaches it says "keep"."""

    DEFAULT_CSS = """
    Trial { display: none; background: $warning; color: $background; text-style: bold; padding: 0 1; }
    Trial.on { display: block; }
    """
    _clock: Timer | None = None

    def on_mount(self) -> None:
        self.say()

    def say(self) -> None:
        """As it is now; each second while there is one."""
        trial = self.console.trial
        self.set_class(trial is not None, "on")
        if trial is None:
            if self._clock is not None:
                self._clock.stop()
                self._clock = None
            return
        left = max(0, round(trial["until"] - time.time()))
        keys = f"On trial, {left} s left: K keeps it, G takes it back now."
        self.tell(Text(f"{keys}  {plain(trial.get('what'), 60)}", no_wrap=True, overflow="ellipsis"))
        if self._clock is None:
            self._clock = self.set_interval(1, self.say)


class Said(Line):
    """What was done last, as a command, or what was refused and why. Stays until something else is said, or Esc."""

    DEFAULT_CSS = """
    Said { display: none; height: auto; max-height: 4; padding: 0 1; color: $secondary; }
    Said.on { display: block; }
    Said.refused { color: $error; }
    """

    def on_mount(self) -> None:
        self.say()

    def say(self) -> None:
        """As it is now."""
        said, refused = self.console.said, self.console.said_refused
        self.set_class(bool(said), "on")
        self.set_class(refused, "refused")
        self.tell(Text("\n".join(plain(line) for line in said.splitlines())))


class Keys(Line):
    """The keys of this screen, as many as there is room for."""

    DEFAULT_CSS = """
    Keys { background: $panel; color: $foreground; }
    """

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.say())
        self.call_after_refresh(self.say)

    def say(self) -> None:
        """As it is now."""
        parts = [(self.app.get_key_display(one), one) for one in self._bindings_shown()]
        last = [part for part in parts if part[1].key in ALWAYS]
        room = self.app.size.width - 2 - sum(_length(*part) for part in last)
        text = Text(" ", no_wrap=True)
        for key, binding in [part for part in parts if part not in last]:
            if len(text) + _length(key, binding) > room:
                break
            _append(text, key, binding)
        for part in last:
            _append(text, *part)
        self.tell(text)

    def _bindings_shown(self) -> list[Binding]:
        active = [one.binding for one in self.screen.active_bindings.values() if one.enabled]
        shown = [binding for binding in active if binding.show and binding.description]
        return sorted(shown, key=_looks_first)


def _length(key: str, binding: Binding) -> int:
    return len(key) + len(binding.description) + 3


def _append(text: Text, key: str, binding: Binding) -> None:
    text.append(key, "bold")
    text.append(f" {binding.description}  ")


def _looks_first(binding: Binding) -> tuple[bool, bool]:
    """What this screen can do, before what every screen can."""
    everywhere: Any = binding.action.startswith("app.") or binding.action in ("palette", "find")
    return (bool(everywhere), binding.key == "question_mark")


class Rule(Line):
    """A line between two parts of a screen, with the name of the lower one."""

    DEFAULT_CSS = """
    Rule { color: $secondary; }
    """

    def __init__(self, name: str = "", **options: Any) -> None:
        super().__init__("", **options)
        self._name = name

    def name_it(self, name: str) -> None:
        """Another name."""
        self._name = name
        self.say()

    def say(self) -> None:
        """As wide as there is room."""
        named = f"─ {plain(self._name, 200)} " if self._name else ""
        self.tell(Text(named + "─" * max(0, self.size.width - len(named)), no_wrap=True, overflow="ellipsis"))
