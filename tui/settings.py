"""A screen of settings: the form, its differences with their effect, and the request that applies them.

What may lock people out goes on trial: the node takes it back by itself unless somebody keeps it. Must never know what
a setting means beyond that.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from textual import work
from textual.app import ComposeResult

from appliance.control.api import Refused, Request
from appliance.control.api.services import ServiceSet, ServiceShow
from tui.drafts import Draft
from tui.place import PlaceScreen
from tui.widgets.form import Form
from tui.words import count, many

TRIAL_SECONDS: Final = 60
# Settings that decide whether anybody can come in at all.
RISKY: Final = frozenset({"enabled", "listen", "listen_tls", "clear_login_from", "proxy_protocol_from"})


class SettingsScreen(PlaceScreen):
    """All settings of one thing. Others show what there are several of: they say their own requests."""

    topics: ClassVar[Sequence[str]] = ("revision",)
    of: ClassVar[str] = ""  # the one that this screen is about, unless it is opened for another

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject or self.of)

    def heading(self) -> str:
        return self.place if self.subject in (self.place, "") else f"{self.place} · {self.subject}"

    def body(self) -> ComposeResult:
        yield Form()

    @property
    def form(self) -> Form:
        """The form."""
        return self.query_one(Form)

    def changed(self, topic: str, value: Any) -> None:
        self.load()

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        done = await self.ask(self.reads())
        if done is not None and self.query(Form):  # it may be closing
            self.form.show(done.value["settings"])

    # --- what others say differently ---

    def reads(self) -> Request:
        """What is asked for the settings."""
        return ServiceShow(self.subject)

    def sets(self, values: dict[str, Any]) -> Request:
        """What applies a draft."""
        return ServiceSet(self.subject, values)

    def command(self, words: str) -> str:
        """The command that does the same."""
        return f"postern service set {shlex.quote(self.subject)} {words}"

    def risky(self, draft: Draft) -> bool:
        """Whether the change may lock people out."""
        return bool(draft.values.keys() & RISKY)

    def effect(self, draft: Draft) -> list[str]:
        """What it does beyond the settings, in numbers where they are known."""
        return effect_on_service(self.console.facts, self.subject, draft)

    # --- applying ---

    @work(exclusive=True, group="act")
    async def on_form_apply(self, event: Form.Apply) -> None:
        draft, trial = event.draft, self.risky(event.draft)
        command = self.command(draft.words() + (f" --try {TRIAL_SECONDS}" if trial else ""))
        question = f"Apply {many(len(draft.values), 'change')} to {self.subject}?"
        effect = [*draft.differences(), *self.effect(draft)]
        if await self.act(self.sets(dict(draft.values)), command, question, effect, trial=trial) is not None:
            draft.clear()
            self.load()

    async def _refused(self, refused: Refused, request: Request, command: str) -> None:
        """What the node finds wrong is shown at its field."""
        if not self.form.refused(refused.value):
            await super()._refused(refused, request, command)


def effect_on_service(facts: dict[str, Any], name: str, draft: Draft) -> list[str]:
    """Who is touched: sessions that are open."""
    rows = facts.get("overview", {}).get("services", [])
    sessions = next((row.get("sessions") or 0 for row in rows if row["name"] == name), 0)
    if not sessions or not draft.values.keys() & {*RISKY, "map", "failover"}:
        return []
    return [f"{many(sessions, 'open session')} {'goes' if sessions == 1 else 'go'} on; new ones follow the change."]


def sessions_of(facts: dict[str, Any], name: str) -> str:
    """ "12 sessions" of a service, as the watch told last."""
    rows = facts.get("overview", {}).get("services", [])
    found = next((row.get("sessions") for row in rows if row["name"] == name), None)
    return "" if found is None else f"{count(found)} {'session' if found == 1 else 'sessions'}"
