"""One person: where they live and why, who is connected, what happened lately, and what one does about it.

Every question goes to the node at once; what one of them lacks leaves the others to be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widgets import Static

from appliance.control.api import Refused, Request
from appliance.control.api.accounts import AccountDisable, AccountEnable, AccountList, AccountPassword
from appliance.control.api.bans import BanAdd, BanLift, BanList
from appliance.control.api.live import LogTail, Route, SessionKick, SessionList
from appliance.control.api.maps import MapPut
from tui.listing import Listing, command
from tui.place import Place
from tui.screens.explain import SERVICES, ending
from tui.screens.sessions import AGAIN, whose
from tui.stores import in_words, state_colour
from tui.themes import colour
from tui.widgets.frame import Rule
from tui.widgets.rows import Column, Row, Rows
from tui.words import address, began, many, milliseconds, plain, refusal, service, since, size

LATELY: Final = 20  # log-ins
LABEL: Final = 10


class Person(Listing):
    """About, now, lately."""

    DEFAULT_CSS = """
    Person #about { height: auto; padding: 0 1; }
    Person #now, Person #lately { height: auto; }
    Person #now { max-height: 50%; }
    Person #lately { max-height: 1fr; }
    """
    place: ClassVar[str] = "person"
    topics: ClassVar = ("sessions", "revision")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "app.find", "another person", key_display="/"),
        Binding("e", "explain", "explain"),
        Binding("M", "move", "move"),
        Binding("K", "kick", "end sessions"),
        Binding("P", "password", "password"),
        Binding("D", "able", "disable"),
        Binding("B", "ban", "ban"),
    ]

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject.split(" ")[0])
        self.address = self.subject
        self.account: Row | None = None
        self.routes: list[Mapping[str, Any]] = []
        self.bans: list[Row] = []
        self._later: Timer | None = None
        self._shown_as_of: Any = None  # the watch's number of the sessions that are shown

    def heading(self) -> str:
        return plain(self.address)

    def body(self) -> ComposeResult:
        yield Static("", id="about", markup=False)
        yield Rule("Now", id="count")
        yield Rows(
            (
                Column("service", "at", width=5, show=service),
                Column("since", "since", right=True, show=since, width=8),
                Column("from", "from", width=22, show=address),
                Column("backend", "store", flex=True),
                Column("in", "sent", right=True, show=size, width=8),
                Column("out", "received", right=True, show=size, width=8),
            ),
            "id",
            marks=True,
            id="now",
        )
        yield Rule("Lately", id="outcomes")
        yield Rows(
            (
                Column("at", "at", width=6, show=began),
                Column("service", "service", width=5, show=service),
                Column("client", "from", width=16, show=address),
                Column("ended", "ended", flex=True, style=lambda row: "warning" if row["refusal"] else ""),
                Column("took", "ms", right=True, width=7, show=milliseconds),
            ),
            "key",
            id="lately",
            show_header=False,
        )

    # --- what is shown ---

    def on_mount(self) -> None:
        self._shown_as_of = self.console.facts.get("sessions")
        super().on_mount()

    def changed(self, topic: str, value: Any) -> None:
        if topic == "revision":
            if self.is_new(value):
                self.load()
        elif self._later is None and value != self._shown_as_of:
            self._later = self.set_timer(AGAIN, self._again)

    def _again(self) -> None:
        self._later = None
        if self.is_current:
            self.load()

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        """Ask everything at once."""
        if not self.address:
            self.console.action_find()
            return
        who, self._shown_as_of = self.address, self.console.facts.get("sessions")
        routes, sessions, accounts, bans, lately = await asyncio.gather(
            asyncio.gather(*(self._known(Route(who, service)) for service in SERVICES)),
            self._known(SessionList(user=who)),
            self._known(AccountList(prefix=who, limit=1)),
            self._known(BanList()),
            self._lately(),
        )
        self.routes = [route for route in routes if route]
        if self.routes and self.routes[0]["address"] != who and "@" in self.routes[0]["address"]:
            self.address = self.routes[0]["address"]  # folded, completed: as the mailbox is called
            self.console.say()
            self.load()
            return
        self.account = next((one for one in accounts or () if one["address"] == who), None)
        self.bans = [ban for ban in bans or () if ban["subject"] == who]
        self._paint(sessions or (), lately)

    async def _known(self, request: Request) -> Any:
        """The answer's value; None if it was refused, which is said."""
        done = await self.ask(request)
        return None if done is None else done.value

    async def _lately(self) -> list[Row]:
        try:
            events = await self.console.node.collect(LogTail(self.address, last=LATELY, follow=False), LATELY)
        except Refused as refused:
            self.console.complain(refused.text)
            return []
        return [_outcome(one) for one in reversed(events)]

    def _paint(self, sessions: Sequence[Row], lately: Sequence[Row]) -> None:
        self.query_one("#about", Static).update(self._about())
        self.query_one("#now", Rows).show(sessions)
        self.query_one("#count", Rule).name_it(
            f"Now: {many(len(sessions), 'session')}" if sessions else "Not connected"
        )
        self.query_one("#lately", Rows).show(lately)
        self.query_one("#outcomes", Rule).name_it("Lately" if lately else "Nothing lately")
        self.refresh_bindings()

    def _about(self) -> Text:
        theme = self.app.current_theme
        text = Text()

        def line(label: str, says: str, style: str = "") -> None:
            text.append(f"{label:<{LABEL}}", colour(theme, "secondary")).append(f"{says}\n", colour(theme, style))

        off = self.account is not None and self.account["state"] != "on"
        if self.account is not None:
            line("Account", plain(self.account["state"]), "warning" if off else "")
        for ban in self.bans:
            until = f"until {ban['until']}" if ban["until"] else "until lifted"
            line("Banned", plain(f"{until}: {ban['reason']}"), "warning")
        same = ""
        for route in self.routes:
            says = ending(route).removeprefix(plain(route["address"])).strip()
            by = next((step["source"] for step in route["steps"] if step["name"] == "mailbox"), "")
            goes = route["verdict"] in ("route", "relay")
            line(service(route["service"]), "same" if says == same else f"{says}{f'  by {plain(by)}' if by else ''}",
                 "" if goes else "warning")  # fmt: skip
            same = says
        for says, style in self._stores_that_fail():
            line("Store", says, style)
        text.rstrip()
        return text

    def _stores_that_fail(self) -> Iterator[tuple[str, str]]:
        """In words, with their colour."""
        here = {route["backend"] for route in self.routes}
        for one in self.console.facts.get("overview", {}).get("backends", []):
            if one["name"] in here and one["state"] in ("down", "partly", "slow"):
                row = {**one, "health": one["state"]}
                why = f": {plain(one['reason'], 200)}" if one["reason"] else ""
                yield f"{plain(one['name'])} {in_words(row, one['since'])}{why}", state_colour(row)

    # --- what is done ---

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """An account's keys where there is one."""
        if action in ("able", "password") and self.account is None:
            return False
        return super().check_action(action, parameters)

    def action_explain(self) -> None:
        """Step by step."""
        self.console.go("explain", self.address)

    def on_data_table_row_selected(self) -> None:
        row = self.query_one("#now", Rows).current() if self.query_one("#now").has_focus else None
        self.console.go("explain", f"{self.address} {row['service']} {address(row['from'])}" if row else self.address)

    def action_kick(self) -> None:
        """The marked ones, else all."""
        rows = self.query_one("#now", Rows)
        marked = [row for row in rows.rows_shown if str(row["id"]) in rows.marked]
        chosen = marked or rows.rows_shown
        if not chosen:
            self.console.complain(f"{self.address} has no session")
            return
        ids = tuple(str(row["id"]) for row in marked)
        request = SessionKick(ids) if ids else SessionKick(user=self.address)
        words = ids or ("--user", self.address)
        self.change(request, command("session", "kick", *words), f"End {many(len(chosen), 'session')}?", whose(chosen))

    @work(exclusive=True, group="act")
    async def action_move(self) -> None:
        """To another store: what the map says from now on."""
        mailbox = next((step for route in self.routes for step in route["steps"] if step["name"] == "mailbox"), None)
        in_map = (mailbox or {}).get("source", "").removeprefix("map ") or self._first_map()
        if not in_map:
            self.console.complain("no map is asked for this person: nothing can be said in one")
            return
        here = next((route["backend"] for route in self.routes), "")
        where = await self.a_backend(f"Move {self.address} to", here)
        if where is None:
            return
        sessions = len(self.query_one("#now", Rows).rows_shown)
        end = await self._what_of(sessions, where) if sessions and where != here else False
        if end is not None:
            words = ["map", "put", in_map, self.address, where] + (["--end-sessions"] if end else [])
            question = f"Say in map {in_map} that {self.address} lives on {where}?"
            effect = [f"{many(sessions, 'session')} ended" if end else "no session is ended", "no mail is moved"]
            await self.act(MapPut(in_map, self.address, where, end), command(*words), question, effect)

    def _first_map(self) -> str:
        names = (step["name"] for route in self.routes for step in route["steps"])
        return next((name.removeprefix("map ") for name in names if name.startswith("map ")), "")

    async def _what_of(self, sessions: int, where: str) -> bool | None:
        choices = [("leave", "leave them until they end"), ("end", f"end them: clients come back on {where}")]
        chosen = await self.choose(f"{many(sessions, 'session')} would stay where they are:", choices)
        return None if chosen is None else chosen == "end"

    @work(exclusive=True, group="act")
    async def action_password(self) -> None:
        """A new one."""
        secret = await self.new_secret(self.address)
        if secret:
            await self.act(AccountPassword(self.address, secret), command("account", "password", self.address))

    def action_able(self) -> None:
        """Disable, or enable again."""
        if self.account is not None and self.account["state"] == "on":
            sessions = len(self.query_one("#now", Rows).rows_shown)
            effect = [f"{many(sessions, 'session')} ended, no more log-ins"]
            self.change(AccountDisable(self.address), command("account", "disable", self.address),
                        f"Disable the account {self.address}?", effect)  # fmt: skip
        else:
            self.change(AccountEnable(self.address), command("account", "enable", self.address))

    def action_ban(self) -> None:
        """Lift it, or refuse this person for an hour."""
        if self.bans:
            self.change(BanLift(self.address), command("ban", "lift", self.address), f"Let {self.address} in again?")
        else:
            self.change(BanAdd(self.address, 3600, "by hand"),
                        command("ban", "add", self.address, "--for", "1h", "--reason", "by hand"),
                        f"Refuse {self.address} for an hour?", ["Sessions go on; use D or K to end them."])  # fmt: skip


def _outcome(one: Mapping[str, Any]) -> Row:
    ended = f"refused: {refusal(one['refusal'])}" if one["refusal"] else f"logged in, {one['backend']}"
    why = f" ({one['why']})" if one["why"] else ""
    key = f"{one['at']} {one['session']}"
    return {**one, "key": key, "ended": ended + why, "took": one["ms"][-1] if one["ms"] else None}


PLACE = Place("person", "Person", "One person: where, why, who is connected, what failed.", Person, order=20)
