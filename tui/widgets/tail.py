"""The end of the log, as it happens: for a corner of a wide screen.

Must never paint more often than twice a second, hold more than it can show, or read anything while it is not shown.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from rich.text import Text
from textual import events
from textual.widgets import Static

from appliance.control.api.live import LogTail
from tui.themes import colour
from tui.words import milliseconds, plain, refusal, service

if TYPE_CHECKING:
    from tui.app import Console
    from tui.node import Stream

LINES: Final = 100
PAUSE: Final = 0.5  # seconds between two paintings


class Tail(Static):
    """Newest last."""

    DEFAULT_CSS = """
    Tail { height: 100%; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__("", markup=False)
        self._lines: deque[Mapping[str, Any]] = deque(maxlen=LINES)
        self._seen: deque[tuple[float, str]] = deque(maxlen=LINES)
        self._stream: Stream | None = None
        self._waiting = False

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._paint())

    def on_show(self, _: events.Show) -> None:
        if self._stream is None:
            console = cast("Console", self.app)
            self._stream = console.node.follow(LogTail(last=LINES), self._heard, lambda _: None)

    def on_hide(self, _: events.Hide) -> None:
        self._close()

    def on_unmount(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _heard(self, one: Any) -> None:
        key = (one["at"], one["session"])
        if key in self._seen:  # told again by a stream that was begun anew
            return
        self._seen.append(key)
        self._lines.append(one)
        if not self._waiting:
            self._waiting = True
            self.set_timer(PAUSE if len(self._lines) > 1 else 0.05, self._paint)

    def _paint(self) -> None:
        self._waiting = False
        room = max(self.size.height - 1, 1)
        last = [self._line(one) for one in list(self._lines)[-room:]]
        self.update(Text("\n").join([Text("Log", style=self._colour("secondary")), *last]))

    def on_resize(self) -> None:
        if self._lines:
            self._paint()

    def _line(self, one: Mapping[str, Any]) -> Text:
        when = time.strftime("%H:%M:%S", time.localtime(one["at"]))
        who = f"{service(one['service']):<5} {plain(one['user'], 60)}"
        line = Text(f"{when} {who}  ", no_wrap=True, overflow="ellipsis")
        if one["refusal"]:
            return line.append(refusal(one["refusal"]), self._colour("warning"))
        took = milliseconds(one["ms"][-1]) if one["ms"] else ""
        return line.append(f"{plain(one['backend'], 60)} {took}", self._colour("secondary"))

    def _colour(self, name: str) -> str:
        return colour(self.app.current_theme, name)
