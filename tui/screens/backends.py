"""The mail stores: health in words, sessions, users; drain and standby. One of them: tui/screens/backend.py."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from appliance.control.api.backends import BackendAdd, BackendEnable, BackendList, BackendRemove, BackendShow
from tui.listing import Listing, command
from tui.place import Place, PlaceScreen
from tui.screens.backend import Backend
from tui.stores import drain, merged, state_colour
from tui.widgets.rows import Column, Row, Rows
from tui.words import count, many, milliseconds, plain


class Backends(Listing):
    """All of them."""

    place: ClassVar[str] = "backends"
    topics: ClassVar = ("revision", "overview")
    hint: ClassVar[str] = "name, state or address"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "open", "details", key_display="Enter"),
        Binding("D", "drain", "drain"),
        Binding("E", "enable", "enable"),
        Binding("A", "add", "add"),
        Binding("X", "remove", "remove"),
    ]

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._found: list[dict[str, Any]] = []

    def table(self) -> Rows:
        return Rows(
            (
                Column("name", "Back-end", width=16),
                Column("words", "state", style=state_colour, width=20),
                Column("sessions", "sessions", right=True, show=count, width=8),
                Column("users", "users", right=True, show=count, width=9),
                Column("answers_ms", "answers in", right=True, show=milliseconds, width=10),
                Column("standby", "standby", width=14, wide=True),
                Column("address", "address", flex=True, wide=True),
            ),
            "name",
        )

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        done = await self.ask(BackendList())
        if done is not None:
            self._found = done.value
            self._paint()

    def changed(self, topic: str, value: Any) -> None:
        if topic == "overview":
            self._paint()
        elif self.is_new(value):
            self.load()

    def _paint(self) -> None:
        """What is configured, with what the watch says of each."""
        rows: list[Row] = [merged(one, self.console.facts) for one in self._found]
        self.rows.show(self.matching(rows, "name", "words", "address"))
        self._explain()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        self._explain()

    def _explain(self) -> None:
        row = self.rows.current()
        if row is None:
            self.summary("" if self._found else "No back-end yet: A adds the first mail store.")
            return
        lines = []
        if row["state"] == "drain":
            left = many(row["sessions"], "session")
            lines.append(f"{row['name']} takes no new sessions; {left} left. E takes them again.")
        if row["reason"]:
            lines.append(plain(row["reason"], 300))
        self.summary("\n".join(lines))

    # --- one of them ---

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Its details and the probe."""
        if (name := self.rows.current_key()) is not None:
            self.console.push_screen(Backend(name))

    @work(exclusive=True, group="act")
    async def action_drain(self) -> None:
        """No new sessions."""
        row = self.rows.current()
        if row is not None:
            await drain(self, row)

    @work(exclusive=True, group="act")
    async def action_enable(self) -> None:
        """Sessions again."""
        if (name := self.rows.current_key()) is not None:
            await self.act(BackendEnable(name), command("backend", "enable", name))

    @work(exclusive=True, group="act")
    async def action_add(self) -> None:
        """A new one: its name and where its IMAP answers; the rest is set afterwards."""
        name = (await self.prompt("Name of the new back-end")).strip()
        address = (await self.prompt(f"Where does IMAP of {name} answer? HOST:PORT")).strip() if name else ""
        if address:
            typed = command("backend", "add", name, f"imap={address}")
            if await self.act(BackendAdd(name, {"imap": address}), typed) is not None:
                self.console.push_screen(Backend(name))

    @work(exclusive=True, group="act")
    async def action_remove(self) -> None:
        """Unless somebody uses it."""
        name = self.rows.current_key()
        shown = await self.ask(BackendShow(name)) if name is not None else None
        if name is None or shown is None:
            return
        if users := shown.value["used_by"]:
            self.console.complain(f"back-end {name} is in use: {'; '.join(plain(one) for one in users)}")
            return
        effect = [f"{many(shown.value['sessions'], 'open session')} there."]
        await self.act(BackendRemove(name), command("backend", "remove", name), f"Remove back-end {name}?", effect)


def opened(subject: str = "") -> PlaceScreen:
    """`:backends mail3` opens that one."""
    return Backend(subject) if subject else Backends()


PLACE = Place("backends", "Back-ends", "The mail stores: health, drain, standby, probe.", opened, key="b", order=50)
