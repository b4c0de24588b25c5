"""The services: which are offered, where they listen, in words whether they do and why not.

Turning one off, or its addresses elsewhere, goes on trial: the console may be among them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from appliance.control.api.services import ServiceList, ServiceSet
from tui.place import Place, PlaceScreen
from tui.settings import TRIAL_SECONDS, SettingsScreen, sessions_of
from tui.widgets.rows import Column, Row, Rows
from tui.words import count, service

STATES = {"on": "on", "off": "off", "stopped": "▲ stopped", "unavailable": "not in this release"}


class Services(PlaceScreen):
    """All of them."""

    place: ClassVar[str] = "services"
    topics: ClassVar = ("revision", "overview")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "open", "settings", key_display="Enter"),
        Binding("E", "turn(True)", "enable"),
        Binding("D", "turn(False)", "disable"),
    ]

    def body(self) -> ComposeResult:
        yield Rows(
            (
                Column("name", "Service", show=service),
                Column("words", "State", style=_colour),
                Column("sessions", "Sessions", right=True, show=count),
                Column("addresses", "Listens on"),
                Column("map", "Asks maps"),
                Column("failover", "Others go to", wide=True),
            ),
            "name",
        )

    def changed(self, topic: str, value: Any) -> None:
        self.load()

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        done = await self.ask(ServiceList())
        if done is not None and self.query(Rows):  # it may be closing
            self.query_one(Rows).show([self._row(row) for row in done.value])

    def _row(self, row: dict[str, Any]) -> Row:
        listed = {one["name"]: one for one in self.console.facts.get("overview", {}).get("services", [])}
        told = listed.get(row["name"], {})
        why = row["reason"] or (told.get("reason") if row["state"] == "on" else "")
        words = STATES.get(row["state"], row["state"])
        if why and row["state"] != "unavailable":
            words = f"▲ {why}" if row["state"] == "on" else f"{words}: {why}"
        addresses = [*row["listen"], *(f"{one} TLS" for one in row["listen_tls"])]
        return {
            **row,
            "words": words,
            "sessions": told.get("sessions") if row["state"] == "on" else None,
            "addresses": ", ".join(addresses) if row["enabled"] else "",
        }

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Its settings."""
        if (name := self.query_one(Rows).current_key()) is not None:
            self.console.push_screen(Service(name))

    @work(exclusive=True, group="act")
    async def action_turn(self, on: bool) -> None:
        """Offer it, or no longer."""
        row = self.query_one(Rows).current()
        if row is None or row["enabled"] == on:
            return
        name, verb = row["name"], "enable" if on else "disable"
        effect = ["Its addresses are opened at once."] if on else ["No new connections."]
        if not on and (open_now := sessions_of(self.console.facts, name)):
            effect.append(f"{open_now} that are open go on.")
        request = ServiceSet(name, {"enabled": on})
        command = f"postern service set {name} enabled={str(on).lower()} --try {TRIAL_SECONDS}"
        await self.act(request, command, f"{verb.capitalize()} {service(name)}?", effect, trial=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Who may only look has no such keys."""
        return not (action == "turn" and self.console.role == "viewer")


class Service(SettingsScreen):
    """The settings of one."""

    place: ClassVar[str] = "services"


def _colour(row: Row) -> str:
    return "" if row["state"] == "on" and "▲" not in row["words"] else "bold" if "▲" in row["words"] else "dim"


PLACE = Place("services", "Services", "What is offered, where it listens, who is served.", Services, order=60)
