"""One mail store: how it is, who uses it, and a probe of each of its protocols, step by step with times.

The probe never logs in: it greets, secures, asks what is offered, and leaves.
"""

from __future__ import annotations

import shlex
from typing import Any, ClassVar, Final

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from appliance.control.api import Progress, Refused, Request
from appliance.control.api.backends import BackendCheck, BackendEnable, BackendSet, BackendShow
from tui.drafts import Draft
from tui.listing import Listing, command
from tui.settings import SettingsScreen
from tui.stores import drain, merged, state_colour
from tui.themes import colour
from tui.widgets.rows import Column, Row, Rows
from tui.words import count, many, milliseconds, plain, service

NAMES: Final = {
    "connect": "connect", "tls": "TLS", "greeting": "greeting", "starttls": "STARTTLS", "capability": "what it offers"
}  # fmt: skip


class Backend(Listing):
    """The subject is its name."""

    DEFAULT_CSS = """
    Backend #state { height: auto; max-height: 7; padding: 0 1; }
    """
    place: ClassVar[str] = "backends"
    topics: ClassVar = ("revision", "overview")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "check", "probe again"),
        Binding("s", "settings", "settings"),
        Binding("D", "drain", "drain"),
        Binding("E", "enable", "enable"),
        Binding("S", "standby", "standby"),
    ]

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._shown: dict[str, Any] | None = None
        self._steps: list[dict[str, Any]] = []

    def body(self) -> ComposeResult:
        yield Static("", id="state", markup=False)
        yield self.table()
        yield Static("", classes="summary", markup=False)

    def table(self) -> Rows:
        return Rows(
            (
                Column("service", "Probe", width=8),
                Column("step", "step", width=15),
                Column("mark", "", width=8, style=_colour),
                Column("ms", "took", right=True, show=milliseconds, width=8),
                Column("result", "answer", flex=True),
            ),
            "id",
        )

    def on_mount(self) -> None:
        super().on_mount()
        self.action_check()

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        done = await self.ask(BackendShow(self.subject))
        if done is not None:
            self._shown = done.value
            self._say()

    def changed(self, topic: str, value: Any) -> None:
        if topic == "overview":
            self._say()
        elif self.is_new(value):
            self.load()

    def _say(self) -> None:
        if self._shown is None:
            return
        row = merged(self._shown, self.console.facts)
        shade = colour(self.app.current_theme, state_colour(row))
        text = Text.assemble((f"{plain(row['name'])}  ", "bold"), (row["words"], shade))
        text.append(f"   {many(row['sessions'], 'session')}{' left' if row['state'] == 'drain' else ''}")
        if row["users"] is not None:
            text.append(f"   {count(row['users'])} live here")
        text.append(f"\nstandby  {plain(row['standby']) or 'none: while this one is down its people wait'}")
        text.append(f"\nused by  {plain(row['used_by'], 400) or 'nobody'}")
        if row["reason"]:
            text.append(f"\n{plain(row['reason'], 300)}", shade)
        self.query_one("#state", Static).update(text)

    # --- the probe ---

    @work(exclusive=True, group="check")
    async def action_check(self) -> None:
        """Each protocol, step by step."""
        self.summary("probing…")
        try:
            visits = (await self.console.node.ask(BackendCheck(self.subject), progress=self._probing)).value
        except Refused as refused:
            visits = refused.value
            if not isinstance(visits, list):
                self.summary(refused.text)
                return
        if not self.is_shown:
            return
        self.rows.show([_step(visit, step) for visit in visits for step in visit["steps"]])
        wrong = [f"{service(visit['service'])}: {visit['reason']}" for visit in visits if not visit["ok"]]
        offered = "all its protocols answer" if visits else "it has no address of any protocol: s sets one"
        self.summary(plain("; ".join(wrong), 400) if wrong else offered)

    def _probing(self, progress: Progress) -> None:
        self.summary(f"probing {progress.done + 1} of {progress.total}…")

    # --- changing ---

    def action_settings(self) -> None:
        """All of them, as a form."""
        self.console.push_screen(BackendSettings(self.subject))

    @work(exclusive=True, group="act")
    async def action_drain(self) -> None:
        """No new sessions."""
        if self._shown is not None:
            row = merged(self._shown, self.console.facts)
            await drain(self, row)

    @work(exclusive=True, group="act")
    async def action_enable(self) -> None:
        """Sessions again."""
        await self.act(BackendEnable(self.subject), command("backend", "enable", self.subject))

    @work(exclusive=True, group="act")
    async def action_standby(self) -> None:
        """Who serves its people while it is down."""
        if self._shown is None:
            return
        now = self._shown.get("standby") or ""
        question = f"Which store, with a copy of their mail, serves the people of {self.subject} while it is down?"
        picked = await self.a_backend(question, now, none="none: they wait", but=self.subject)
        if picked is not None and picked != now:
            typed = command("backend", "set", self.subject, f"standby={picked}")
            await self.act(BackendSet(self.subject, {"standby": picked or None}), typed)


class BackendSettings(SettingsScreen):
    """All settings of one."""

    place: ClassVar[str] = "backends"

    def reads(self) -> Request:
        return BackendShow(self.subject)

    def sets(self, values: dict[str, Any]) -> Request:
        return BackendSet(self.subject, values)

    def command(self, words: str) -> str:
        return f"postern backend set {shlex.quote(self.subject)} {words}"

    def risky(self, draft: Draft) -> bool:
        """Nobody is locked out of the console by a store."""
        return False

    def effect(self, draft: Draft) -> list[str]:
        """Who is touched."""
        told = {one["name"]: one for one in self.console.facts.get("overview", {}).get("backends", [])}
        sessions = told.get(self.subject, {}).get("sessions") or 0
        return [f"{many(sessions, 'open session')} there go on; new ones follow the change."] if sessions else []


def _step(visit: dict[str, Any], step: dict[str, Any]) -> Row:
    return {
        "id": f"{visit['service']} {step['name']}",
        "service": service(visit["service"]) if step is visit["steps"][0] else "",
        "step": NAMES.get(step["name"], step["name"]),
        "mark": "ok" if step["ok"] else "✗ failed",
        **{key: step[key] for key in ("ms", "result", "ok")},
    }


def _colour(row: Row) -> str:
    return "" if row["ok"] else "error"
