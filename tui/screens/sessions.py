"""Who is connected now: filtered as you type, sorted, marked, ended.

The node filters and sorts, so that a screenful travels and not fifty thousand rows. Must never ask it more often than
sessions came or went, nor while another screen is on top; and the less often the longer it takes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from textual import work
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.timer import Timer

from appliance.control.api.live import SessionKick, SessionPage
from tui.listing import Listing, command
from tui.place import Place
from tui.widgets.filter import Filter
from tui.widgets.rows import MOST, Column, Row, Rows
from tui.words import address, count, many, plain, service, since, size

AGAIN: Final = 2.0  # seconds between two askings, at least
SHARE: Final = 10  # and so many times what the last one took
NAMED: Final = 6  # sessions or people that a question names


class Table(Rows):
    """Sorted by the node: only it has all rows."""

    class Reordered(Message):
        """Another order is wanted: `order` has it."""

    def sort_by(self, key: str | None) -> None:
        """By a column, the other way round the second time; None: the oldest first."""
        super().sort_by(key)
        self.post_message(self.Reordered())

    @property
    def order(self) -> tuple[str, bool]:
        """The column, and whether it is the other way round."""
        return self._sorted or ("since", False)

    def _in_order(self) -> list[Row]:
        return self._given


class Sessions(Listing):
    """One list, and a line that counts what the filter shows."""

    place: ClassVar[str] = "sessions"
    topics: ClassVar = ("sessions",)
    hint: ClassVar[str] = "part of a user, service, address or store"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "person", "person"),
        Binding("e", "explain", "explain"),
        Binding("space", "mark", "mark"),
        Binding("K", "kick", "end"),
        Binding("r", "load", "now", show=False),
    ]

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self.wanted = subject
        self._asked, self._took = 0.0, 0.0
        self._later: Timer | None = None
        self._shown_as_of: Any = None  # the watch's number of the sessions that are shown

    def heading(self) -> str:
        """The filter is to be seen anyway."""
        return "sessions"

    def table(self) -> Rows:
        return Table(
            (
                Column("user", "user", flex=True),
                Column("service", "at", width=5, show=service),
                Column("from", "from", width=16, show=address),
                Column("backend", "store", width=8),
                Column("since", "since", right=True, show=since, width=7),
                Column("in", "sent", right=True, show=size, width=6, wide=True),
                Column("out", "got", right=True, show=size, width=6, wider=90),
                Column("state", "state", width=20, wide=True, style=lambda _: "secondary"),
            ),
            "id",
            marks=True,
        )

    def on_mount(self) -> None:
        self._shown_as_of = self.console.facts.get("sessions")
        super().on_mount()
        if self.subject:
            self.query_one(Filter).open(self.subject)
            self.rows.focus()

    # --- what is shown ---

    def changed(self, topic: str, value: Any) -> None:
        """Not at once for each: a busy node has hundreds a second."""
        if self._later is None and value != self._shown_as_of:
            wait = self._asked + max(AGAIN, SHARE * self._took) - time.monotonic()
            self._later = self.set_timer(max(wait, 0.01), self._again)

    def _again(self) -> None:
        self._later = None
        if self.is_current:
            self.load()

    def action_load(self) -> None:
        """Octets change without a word."""
        self.load()

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        """Ask for the first of them."""
        self._asked, self._shown_as_of = time.monotonic(), self.console.facts.get("sessions")
        table = self.query_one(Table)
        sort, down = table.order
        done = await self.ask(SessionPage(self.wanted, sort, down, MOST))
        self._took = time.monotonic() - self._asked
        if done is None:
            return
        value = done.value
        table.show(value["sessions"], value["matching"])
        self.summary(_counted(len(table.rows_shown), value["matching"], value["total"], self.wanted, done.note))

    def on_table_reordered(self) -> None:
        self.load()

    # --- what is done ---

    def on_data_table_row_selected(self) -> None:
        self.action_person()

    def action_person(self) -> None:
        """Whose session it is."""
        row = self.rows.current()
        if row is not None and row["user"]:
            self.console.go("person", row["user"])

    def action_explain(self) -> None:
        """Why it is there."""
        row = self.rows.current()
        if row is not None and row["user"]:
            self.console.go("explain", f"{row['user']} {row['service']} {address(row['from'])}")

    def action_mark(self) -> None:
        """By the list."""
        self.rows.action_mark()

    def action_kick(self) -> None:
        """End the marked ones, else the one under the cursor."""
        chosen = self.rows.chosen()
        if chosen:
            ids = [str(row["id"]) for row in chosen]
            question = f"End {many(len(chosen), 'session')}?"
            self.change(SessionKick(tuple(ids)), command("session", "kick", *ids), question, whose(chosen))


def whose(rows: Sequence[Row]) -> list[str]:
    """Who is meant, for a question: how many of whom, and where."""
    people = Counter((str(row["user"]) or "not logged in", str(row["backend"])) for row in rows)
    lines = [f"{plain(user, 60)}  {count(number)} on {plain(store, 30) or 'no store'}"
             for (user, store), number in people.most_common(NAMED)]  # fmt: skip
    more = len(people) - NAMED
    return [*lines, f"and {many(more, 'more', 'more')}"] if more > 0 else lines


def _counted(shown: int, matching: int, total: int, wanted: str, note: str) -> str:
    what = f"{count(matching)} of {many(total, 'session')} match" if wanted else many(total, "session")
    part = f"{count(shown)} of {count(matching)} shown" if shown < matching else ""
    return "  ·  ".join(filter(None, (what, part, plain(note))))


PLACE = Place("sessions", "Sessions", "Who is connected now; end sessions.", Sessions, key="s", order=10)
