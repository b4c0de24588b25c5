"""User maps: what there is, who uses it, what can be undone; and what changes a map as a whole.

Entries: tui/screens/entries.py. Imports: tui/screens/importing.py.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from textual import work
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from appliance.control.api import Request
from appliance.control.api.maps import MapCreate, MapDelete, MapList, MapSet, MapShow
from tui.drafts import Draft
from tui.listing import Listing, command
from tui.place import Place, PlaceScreen
from tui.screens.entries import Entries
from tui.screens.importing import Importing
from tui.settings import SettingsScreen
from tui.undoing import undo_import, until
from tui.widgets.rows import Column, Rows
from tui.words import count, many, plain, service, since

REST: Final = 0.15  # seconds that the cursor stays before details are asked for
TYPES: Final = (
    ("sqlite", "entries kept here, by import or one by one"),
    ("file", "a file of this node, read as it is"),
)


class Maps(Listing):
    """All maps."""

    place: ClassVar[str] = "maps"
    topics: ClassVar = ("revision",)
    hint: ClassVar[str] = "name, type or service"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "entries", "entries", key_display="Enter"),
        Binding("s", "settings", "settings"),
        Binding("I", "import", "import"),
        Binding("U", "undo_import", "undo"),
        Binding("C", "create", "create"),
        Binding("D", "delete", "delete"),
    ]

    def table(self) -> Rows:
        return Rows(
            (
                Column("name", "Map", width=16),
                Column("type", "type", width=13),
                Column("entries", "entries", right=True, show=count, width=10),
                Column("changed", "changed", show=_ago, width=12),
                Column("by", "by", wide=True, width=16),
                Column("used_by", "used by", flex=True, show=_services),
            ),
            "name",
        )

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        done = await self.ask(MapList())
        if done is not None:
            found = self.matching(done.value, "name", "type", "used_by")
            self.rows.show(found)
            if not done.value:
                self.summary("No map yet: C creates one, I then imports who lives where.")
            self._look()

    def changed(self, topic: str, value: Any) -> None:
        if self.is_new(value):
            self.load()

    # --- the map under the cursor ---

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        self._look()

    @work(exclusive=True, group="details")
    async def _look(self) -> None:
        row = self.rows.current()
        if row is None:
            return
        await asyncio.sleep(REST)
        done = await self.ask(MapShow(row["name"]))
        if done is not None:
            self.summary("\n".join(_details(done.value)))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.action_entries()

    def action_entries(self) -> None:
        """Those of the map under the cursor."""
        row = self.rows.current()
        if row is None:
            return
        if row["entries"] is None:
            self.console.complain(f"map {row['name']} is of type {row['type']}: its entries are not kept here")
        else:
            self.console.push_screen(Entries(row["name"]))

    # --- changing ---

    def action_settings(self) -> None:
        """All of them, as a form."""
        row = self.rows.current()
        if row is not None:
            self.console.push_screen(MapSettings(row["name"], row["used_by"]))

    def action_import(self) -> None:
        """The wizard."""
        row = self.rows.current()
        if row is not None and row["entries"] is None:
            self.console.complain(f"map {row['name']} is of type {row['type']}: nothing is imported into it")
        elif row is not None:
            self.console.push_screen(Importing(row["name"]))

    @work(exclusive=True, group="act")
    async def action_undo_import(self) -> None:
        """Back to before the last import."""
        row = self.rows.current()
        if row is not None:
            await undo_import(self, row["name"])

    @work(exclusive=True, group="act")
    async def action_create(self) -> None:
        """A new one."""
        name = (await self.prompt("Name of the new map")).strip()
        kind = await self.choose(f"Where are the entries of {name}?", TYPES) if name else None
        if kind == "sqlite":
            await self.act(MapCreate(name, {}), command("map", "create", name))
        elif kind == "file":
            path = (await self.prompt("Path of the file, on this node: lines ADDRESS BACKEND")).strip()
            if path:
                done = command("map", "create", name, "type=file", f"path={path}")
                await self.act(MapCreate(name, {"type": "file", "path": path}), done)

    @work(exclusive=True, group="act")
    async def action_delete(self) -> None:
        """With its entries."""
        row = self.rows.current()
        if row is None:
            return
        name, entries = row["name"], row["entries"] or 0
        if row["used_by"]:
            users = ", ".join(row["used_by"])
            self.console.complain(f"map {name} is used by {users}: take it out of there first (:services)")
            return
        effect = []
        if entries:
            gone = many(entries, "entry goes", "entries go")
            effect = [f"Its {gone} with it.", f"`postern map undo {name}` brings it back within 7 days."]
        words = ["map", "delete", name, *(["--delete-data"] if entries else [])]
        await self.act(MapDelete(name, bool(entries)), command(*words), f"Delete map {name}?", effect)


class MapSettings(SettingsScreen):
    """All settings of one."""

    place: ClassVar[str] = "maps"

    def __init__(self, subject: str, used_by: Sequence[str]) -> None:
        super().__init__(subject)
        self._used_by = used_by

    def reads(self) -> Request:
        return MapShow(self.subject)

    def sets(self, values: dict[str, Any]) -> Request:
        return MapSet(self.subject, values)

    def command(self, words: str) -> str:
        return f"postern map set {shlex.quote(self.subject)} {words}"

    def risky(self, draft: Draft) -> bool:
        """Administrators come in by no map."""
        return False

    def effect(self, draft: Draft) -> list[str]:
        """Who looks into it."""
        return [f"New log-ins by {', '.join(map(service, self._used_by))} follow it."] if self._used_by else []


def _details(shown: dict[str, Any]) -> list[str]:
    """What is known of one map, as lines."""
    backends = [f"{plain(name, 40)} {count(number)}" for name, number in (shown.get("backends") or {}).items()]
    changed = [f"{one['name']} = {plain(one['value'], 60)}" for one in shown["settings"] if one["set"]]
    lines = [", ".join(changed)] if changed else []
    if shown["entries"] is not None:
        lines.append("Lives on  " + ("   ".join(backends[:8]) or "nobody yet: I imports a file"))
    if undo := shown.get("undo"):
        lines.append(f"U goes back to {many(undo['entries'], 'entry', 'entries')}, until {until(undo['until'])}")
    return lines


def _services(names: Sequence[str]) -> str:
    return ", ".join(map(service, names))


def _ago(moment: float | None) -> str:
    return f"{since(moment)} ago" if moment else ""


def opened(subject: str = "") -> PlaceScreen:
    """`:maps people` opens the entries."""
    return Entries(subject) if subject else Maps()


PLACE = Place("maps", "Maps", "Who lives on which back-end: entries, imports, undo.", opened, key="m", order=30)
