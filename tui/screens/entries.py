"""The entries of one map, a page at a time: filtered and paged by the node, which may have a million of them."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from textual import work
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from appliance.control.api.live import SessionList
from appliance.control.api.maps import MapEntries, MapPut, MapRemove, MapShow
from tui.listing import Listing, command
from tui.widgets.rows import Column, Rows
from tui.words import count, many

PAGE: Final = 100


class Entries(Listing):
    """Addresses and their back-ends. The subject is the map's name."""

    place: ClassVar[str] = "maps"
    topics: ClassVar = ("revision",)
    hint: ClassVar[str] = "part of an address or a back-end"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "move", key_display="Enter"),
        Binding("n", "next_page", "next"),
        Binding("p", "page_before", "before"),
        Binding("P", "person", "person"),
        Binding("A", "add", "add"),
        Binding("X", "remove", "remove"),
        Binding("I", "import", "import"),
    ]

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._before = [""]  # the address that each page up to this one begins behind
        self._more = False
        self._of: int | None = None

    def table(self) -> Rows:
        return Rows((Column("address", "Address", width=48), Column("backend", "lives on", flex=True)), "address")

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        page = await self.ask(MapEntries(self.subject, self.wanted, after=self._before[-1], limit=PAGE))
        if page is None:
            return
        self._more = page.value["more"]
        self.rows.show([{"address": address, "backend": backend} for address, backend in page.value["entries"]])
        if self._of is None:
            shown = await self.ask(MapShow(self.subject))
            self._of = shown.value["entries"] if shown is not None else None
        self.summary(self._position(len(page.value["entries"])))
        self.refresh_bindings()

    def _position(self, here: int) -> str:
        first = (len(self._before) - 1) * PAGE + 1
        if not here:
            return "no entry contains this" if self.wanted else "no entry yet: A adds one, I imports a file"
        of = "" if self.wanted or self._of is None else f" of {count(self._of)}"
        more = ", more with n" if self._more else ""
        found = f' with "{self.wanted}"' if self.wanted else ""
        return f"{count(first)} to {count(first + here - 1)}{of}{found}, by address{more}"

    def filtered(self, text: str) -> None:
        self._before = [""]
        super().filtered(text)

    def changed(self, topic: str, value: Any) -> None:
        if self.is_new(value):
            self._of = None
            self.load()

    # --- pages ---

    def action_next_page(self) -> None:
        """The hundred behind these."""
        last = self.rows.rows_shown[-1]["address"] if self.rows.rows_shown else ""
        if self._more and last:
            self._before.append(last)
            self._turn()

    def action_page_before(self) -> None:
        """The hundred before these."""
        if len(self._before) > 1:
            self._before.pop()
            self._turn()

    def _turn(self) -> None:
        self.rows.move_cursor(row=0)
        self.load()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Pages are offered where there are any."""
        if action == "next_page" and not self._more:
            return None
        if action == "page_before" and len(self._before) == 1:
            return None
        return action == "person" or super().check_action(action, parameters)

    # --- one entry ---

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        if self.console.role != "viewer":
            self.action_edit()

    def action_person(self) -> None:
        """Who this is."""
        row = self.rows.current()
        if row is not None and not row["address"].startswith("@"):
            self.console.go("person", row["address"])

    @work(exclusive=True, group="act")
    async def action_edit(self) -> None:
        """Another back-end for the entry under the cursor."""
        row = self.rows.current()
        if row is not None:
            await self._put(row["address"], row["backend"])

    @work(exclusive=True, group="act")
    async def action_add(self) -> None:
        """A new entry."""
        address = (await self.prompt("Address, or @domain for all of it that have no entry of their own")).strip()
        if address:
            await self._put(address, "")

    async def _put(self, address: str, before: str) -> None:
        where = f"{address} is on {before}. On which back-end from now on?" if before else f"Where does {address} live?"
        backend = await self.a_backend(where, before)
        if not backend or backend == before:
            return
        typed = command("map", "put", self.subject, address, backend)
        ends = await self._ends(f"Put {address} on {backend}", address, before, typed) if before else False
        if ends is not None:
            request = MapPut(self.subject, address, backend, ends)
            await self.act(request, f"{typed} --end-sessions" if ends else typed)

    @work(exclusive=True, group="act")
    async def action_remove(self) -> None:
        """No entry any more."""
        row = self.rows.current()
        if row is None:
            return
        address, typed = row["address"], command("map", "remove", self.subject, row["address"])
        ends = await self._ends(f"Remove {address}, which is on {row['backend']}", address, row["backend"], typed)
        if ends is not None:
            await self.act(MapRemove(self.subject, address, ends), f"{typed} --end-sessions" if ends else typed)

    async def _ends(self, what: str, address: str, before: str, typed: str) -> bool | None:
        """Whether sessions are to end; None: leave all as it is."""
        domain = address.startswith("@")
        sessions = 0
        if not domain:
            done = await self.ask(SessionList(user=address, backend=before))
            sessions = len(done.value) if done is not None else 0
        choices = [("", "Leave all as it is")]
        if sessions or domain:
            end = many(sessions, "session") if not domain else "the sessions"
            choices += [("put", f"{what}; {end} there go on"), ("end", f"{what}, and end {end} there")]
        else:
            choices += [("put", what)]
        effect = () if domain else (f"{many(sessions, 'session')} open on {before}",)
        picked = await self.choose(f"{what}?", choices, effect=effect, command=typed)
        return picked == "end" if picked else None

    def action_import(self) -> None:
        """The wizard."""
        from tui.screens.importing import Importing

        self.console.push_screen(Importing(self.subject))
