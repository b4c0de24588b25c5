"""Why somebody gets where they get: each step that a log-in would take now, who says so, and how old that is.

And what would be were the store down. The subject is an address, then a service and a client's address if one likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from appliance.control.api import Refused
from appliance.control.api.live import Route
from tui.listing import command
from tui.place import Place, PlaceScreen
from tui.themes import colour
from tui.widgets.rows import Column, Rows
from tui.words import age, plain

SERVICES: Final = ("imap", "pop3", "sieve")
VERDICTS: Final = {
    "route": "goes to",
    "relay": "is relayed to",
    "refuse": "is refused",
    "temporary": "cannot be served",
}


class Explain(PlaceScreen):
    """The steps, and how it ends."""

    DEFAULT_CSS = """
    Explain Rows { height: auto; max-height: 70%; }
    Explain .told { height: auto; padding: 0 1; }
    """
    place: ClassVar[str] = "explain"
    topics: ClassVar = ("revision",)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "service('imap')", "IMAP"),
        Binding("p", "service('pop3')", "POP3"),
        Binding("v", "service('sieve')", "Sieve"),
        Binding("r", "load", "again"),
        Binding("enter", "person", "person"),
    ]

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        words = [*subject.split(), "", "", ""]
        self.address, self.service, self.client = words[0], words[1], words[2]
        if self.service not in SERVICES:
            self.service = SERVICES[0]

    def heading(self) -> str:
        return f"log-in of {self.address} at {self.service}" + (f" from {self.client}" if self.client else "")

    def body(self) -> ComposeResult:
        yield Rows(
            (
                Column("number", "", right=True, width=2),
                Column("name", "step", width=12),
                Column("result", "says", flex=True),
                Column("source", "by", width=14),
                Column("age", "as of", right=True, width=8, show=_age),
                Column("ms", "took ms", right=True, width=7, wide=True, show=lambda ms: f"{ms:.2f}"),
            ),
            "number",
        )
        yield Static("", classes="told", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Rows).focus()

    def changed(self, topic: str, value: Any) -> None:
        self.load()

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        """Ask as it is, then as if the store were down."""
        if not self.address:
            self.console.action_find()
            return
        done = await self.ask(Route(self.address, self.service, self.client))
        if done is None:
            return
        now = done.value
        self.query_one(Rows).show([{**step, "number": number} for number, step in enumerate(now["steps"], 1)])
        down = await self._were_it_down(now) if now["backend"] and now["verdict"] == "route" else None
        self.query_one(".told", Static).update(self._ending(now, down, done.note))

    async def _were_it_down(self, now: Mapping[str, Any]) -> Mapping[str, Any] | None:
        try:
            request = Route(self.address, self.service, self.client, down=now["backend"])
            return dict((await self.console.node.ask(request)).value)
        except Refused:  # the first answer stands without it
            return None

    def _ending(self, now: Mapping[str, Any], down: Mapping[str, Any] | None, note: str) -> Text:
        theme = self.app.current_theme
        quiet = colour(theme, "secondary")
        text = Text("\n")
        bad = now["verdict"] not in ("route", "relay")
        text.append(f"→ {ending(now)}\n", colour(theme, "warning") if bad else "bold")
        if now["told"]:
            text.append("  the client is told: ", quiet).append(f"{plain(now['told'])}\n")
        if down is not None:
            text.append(f"\n  were {plain(now['backend'])} down: ", quiet).append(f"{ending(down)}\n")
            if down["told"] and down["told"] != now["told"]:
                text.append("  the client would be told: ", quiet).append(f"{plain(down['told'])}\n")
        if note:
            text.append(f"\n  {plain(note)}\n", quiet)
        words = ["route", self.address, "--service", self.service] + (["--from", self.client] if self.client else [])
        return text.append(f"\n  {plain(command(*words))}", quiet)

    def action_service(self, service: str) -> None:
        """The same person elsewhere."""
        self.service = service
        self.console.say()
        self.load()

    def action_load(self) -> None:
        """Once more."""
        self.load()

    def action_person(self) -> None:
        """Who this is."""
        self.console.go("person", self.address)

    def on_data_table_row_selected(self) -> None:
        self.action_person()


def ending(route: Mapping[str, Any]) -> str:
    """How a log-in ends, in a line."""
    says = f"{plain(route['address'])} {VERDICTS.get(route['verdict'], plain(route['verdict']))}"
    if route["verdict"] in ("route", "relay"):
        where = f" ({plain(route['host'])} port {route['port']})" if route["host"] else ""
        login = f", as {plain(route['login'])}" if route["login"] not in ("", route["address"]) else ""
        return f"{says} {plain(route['backend'])}{where}{login}"
    return f"{says}: {plain(route['steps'][-1]['result'] if route['steps'] else route['refusal'])}"


def _age(seconds: Any) -> str:
    if seconds is None:
        return ""
    return "now" if seconds < 1 else age(seconds)


PLACE = Place("explain", "Explain", "What would happen if somebody logged in now, step by step.", Explain, order=21)
