"""Log-ins as they end, one line each: follows, until somebody moves up or presses Space; filtered by typing.

Of the 500 lines that are kept only those that fit are drawn while it follows, and four times a second at most: a node
with a thousand log-ins a second costs a terminal no more than a quiet one.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widgets import DataTable, Static

from appliance.control.api import Refused
from appliance.control.api.live import LogTail
from tui.listing import Listing
from tui.node import Stream
from tui.place import Place
from tui.widgets.filter import Filter
from tui.widgets.rows import Column, Row, Rows
from tui.words import count, milliseconds, plain, refusal, service

KEPT: Final = 500
PAST: Final = 200  # lines of the past to begin with
PAINT: Final = 0.25  # seconds between two paintings
SERVICES: Final = ("imap", "pop3", "sieve", "smtp", "submission")
KEYS: Final = ("user", "service", "client", "backend", "outcome")


class Lines(Rows):
    """The lines. Whoever moves up wants to read: it no longer follows."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "mark", "pause")]

    def action_cursor_up(self) -> None:
        self._hold()
        super().action_cursor_up()

    def action_page_up(self) -> None:
        self._hold()
        super().action_page_up()

    def action_scroll_top(self) -> None:
        self._hold()
        super().action_scroll_top()

    def action_scroll_bottom(self) -> None:
        """The newest: follow again."""
        self._log().pause(False)

    def action_mark(self) -> None:
        """Space."""
        self._log().pause(not self._log().paused)

    def on_click(self) -> None:
        self._hold()

    def on_mouse_scroll_up(self) -> None:
        self._hold()

    def _hold(self) -> None:
        self._log().pause(True)

    def _log(self) -> Log:
        screen = self.screen
        assert isinstance(screen, Log)
        return screen


class Log(Listing):
    """What happened. The subject is what is looked for: a user, a service, an outcome."""

    place: ClassVar[str] = "log"
    hint: ClassVar[str] = "user, service, address, back-end, ok, refused"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "person", "person", key_display="Enter"),
    ]

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self.wanted = subject
        self.paused = False
        self.behind = 0  # lines that came since it was paused
        self._kept: deque[Row] = deque(maxlen=KEPT)
        self._seen: deque[str] = deque(maxlen=2 * KEPT)
        self._stream: Stream | None = None
        self._painting: Timer | None = None
        self._lost = ""

    def heading(self) -> str:
        return f"log · {self.wanted}" if self.wanted else "log"

    def body(self) -> ComposeResult:
        yield Filter(self.hint)
        yield self.table()
        yield Static("", classes="summary", markup=False)

    def table(self) -> Rows:
        return Lines(
            (
                Column("time", "Time", width=8),
                Column("service", "at", width=5, show=service),
                Column("user", "user", flex=True),
                Column("client", "from", width=15),
                Column("backend", "store", width=10, wide=True),
                Column("words", "outcome", width=18, style=_colour, wide=True),
                Column("ended", "store", width=18, style=_colour, narrow=True),
                Column("took", "took", right=True, width=6, show=milliseconds, wide=True),
                Column("why", "why", width=60, wider=160),
            ),
            "id",
        )

    # --- the stream ---

    def load(self) -> None:
        """Begin anew: what the node can tell apart it does, the rest is told apart here before it is kept."""
        words = self.wanted.lower().split()
        wanted = next((word for word in words if word in SERVICES), "")
        outcome = next((word for word in words if word in ("ok", "refused")), "")
        self._stop()
        self._kept.clear()
        self._seen.clear()
        self._stream = self.console.node.follow(LogTail(service=wanted, outcome=outcome, last=PAST), self._heard,
                                                self._broke)  # fmt: skip
        people = [word for word in words if "." in word.partition("@")[2]]
        if people:
            self._remember(LogTail(people[0], wanted, outcome, PAST, follow=False))
        self._soon()

    @work(exclusive=True, group="load")
    async def _remember(self, request: LogTail) -> None:
        """What is known of one person, who may be rare among the last lines of all."""
        try:
            past = await self.console.node.collect(request, PAST)
        except Refused as refused:
            self._broke(refused.text)
            return
        for one in past:
            self._heard(one)
        newest_last = sorted(self._kept, key=lambda row: row["at"])
        self._kept.clear()
        self._kept.extend(newest_last)

    def _heard(self, one: dict[str, Any]) -> None:
        known = f"{one['at']}/{one['session']}/{one['user']}"
        self._lost = ""
        if known not in self._seen and self.matching([row := _line(one, known)], *KEYS):
            self._seen.append(known)  # when the stream begins again the past is told anew
            self._kept.append(row)
            self.behind += self.paused
        self._soon()

    def _broke(self, why: str) -> None:
        self._lost = why
        self._soon()

    def _soon(self) -> None:
        if self._painting is None:
            self._painting = self.set_timer(PAINT, self._paint)

    def _stop(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def on_unmount(self) -> None:
        self._stop()

    # --- what is shown ---

    def _paint(self) -> None:
        self._painting = None
        if not self.is_shown:
            return
        if not self.paused:
            self._show(list(self._kept)[-max(self.rows.size.height - 1, 5) :])
        self._say()

    def _show(self, lines: list[Row]) -> None:
        self.rows.show(lines)
        if lines and not self.paused:
            self.rows.move_cursor(row=len(lines) - 1)

    def _say(self) -> None:
        if self._lost:
            text = f"no news from the node: {plain(self._lost, 100)}"
        elif self.paused:
            text = f"paused; {count(self.behind)} new since: Space goes on"
        elif not self._kept:
            text = "Nobody has logged in yet." if not self.wanted else "Nothing of this kind was seen yet."
        else:
            text = f"follows what has: {plain(self.wanted)}" if self.wanted else "follows"
        self.summary(text)

    def pause(self, paused: bool) -> None:
        """Hold still, with all lines that are kept; or go on."""
        if paused == self.paused:
            return
        self.paused, self.behind = paused, 0
        if paused:
            self._show(list(self._kept))
        self._paint()

    def filtered(self, text: str) -> None:
        self.paused, self.behind = False, 0
        super().filtered(text)

    # --- one line ---

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.action_person()

    def action_person(self) -> None:
        """Whom the line is about."""
        row = self.rows.current()
        if row is not None and row["user"]:
            self.console.go("person", row["user"])


def _line(one: dict[str, Any], known: str) -> Row:
    """One outcome as a row."""
    today = time.localtime(one["at"])[:3] == time.localtime()[:3]
    refused = one["refusal"]
    words = f"✗ {refusal(refused)}" if refused else "ok"
    return {
        **one,
        "id": known,
        "time": time.strftime("%H:%M:%S" if today else "%d %b", time.localtime(one["at"])),
        "outcome": f"refused {refused} {words}" if refused else "ok",
        "words": words,
        "ended": words if refused else one["backend"],
        "took": one["ms"][-1] if one["ms"] else None,
    }


def _colour(row: Row) -> str:
    return "error" if row["refusal"] else ""


PLACE = Place("log", "Log", "Who logged in, who was refused and why, as it happens.", Log, key="l", order=80)
