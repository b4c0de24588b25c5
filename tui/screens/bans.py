"""Who is refused for a time: addresses and accounts, why, and until when. Guesses ban themselves; here one lifts it.

Must never show a name that was not escaped: strangers choose what they guess.
"""

from __future__ import annotations

import re
import shlex
import time
from datetime import datetime
from typing import Any, ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from appliance.control.api.bans import BanAdd, BanLift, BanList
from tui.place import Place, PlaceScreen
from tui.widgets.dialog import Prompt
from tui.widgets.rows import Column, Row, Rows
from tui.words import age, many, plain

_PART: Final = re.compile(r"(\d{1,9})([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Bans(PlaceScreen):
    """Those that hold now."""

    place: ClassVar[str] = "bans"
    topics: ClassVar = ("alerts", "revision")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "add", "add"),
        Binding("L", "lift", "lift"),
    ]

    def body(self) -> ComposeResult:
        yield Rows(
            (
                Column("subject", "Refused", width=26),
                Column("scope", "Is an", width=7),
                Column("left", "Left", right=True, width=8),
                Column("reason", "Why", flex=True),
                Column("until", "Until", wide=True, show=_local, width=16),
            ),
            "id",
            marks=True,
        )

    def changed(self, topic: str, value: Any) -> None:
        self.load()

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        done = await self.ask(BanList())
        if done is not None and self.query(Rows):  # it may be closing
            self.query_one(Rows).show([_row(row) for row in done.value])

    @work(exclusive=True, group="act")
    async def action_add(self) -> None:
        """One more: whom, how long, why."""
        ask = self.console.push_screen_wait
        subject = await ask(Prompt("Refuse whom? An address, a network like 192.0.2.0/24, or an account", self.subject))
        if not subject:
            return
        span = await ask(Prompt("For how long? 30m, 12h, 7d; empty: until it is lifted", "1h"))
        if span is None:
            return
        try:
            seconds = seconds_of(span)
        except ValueError as error:
            self.console.complain(str(error))
            return
        reason = await ask(Prompt("Why? Whoever reads the list will want to know")) or ""
        command = f"postern ban add {shlex.quote(subject)}" + (f" --for {seconds:g}s" if seconds else "")
        command += f" --reason {shlex.quote(reason)}" if reason else ""
        until = f"for {age(seconds)}" if seconds else "until somebody lifts it"
        effect = [f"Every log-in from or of it is refused {until}.", "Sessions that are open go on."]
        await self.act(BanAdd(subject, seconds, reason), command, f"Refuse {subject}?", effect)

    @work(exclusive=True, group="act")
    async def action_lift(self) -> None:
        """The marked ones, or this one."""
        rows = self.query_one(Rows).chosen()
        names = [row["subject"] for row in rows]
        if not names:
            return
        question = f"Lift {many(len(names), 'ban')}?" if len(names) > 1 else f"Lift the ban of {names[0]}?"
        effect = [", ".join(plain(name, 60) for name in names[:5]) + (" …" if len(names) > 5 else "")]
        commands = [f"postern ban lift {shlex.quote(name)}" for name in names]
        done = await self.act(BanLift(names[0]), commands[0], question, effect)
        for name, command in zip(names[1:], commands[1:], strict=True) if done is not None else ():
            await self.act(BanLift(name), command)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Who may only look has no such keys."""
        return not (action in ("add", "lift") and self.console.role == "viewer")


def seconds_of(text: str) -> float:
    """A time span as people type it; 0 for none. Raises ValueError with a sentence."""
    text = text.strip().lower()
    parts = _PART.findall(text) if text.isascii() else []
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{plain(text, 40)!r} is no time span like 30m, 12h or 7d")
    return float(sum(int(number) * _SECONDS[unit] for number, unit in parts))


def _row(row: dict[str, Any]) -> Row:
    until = row["until"]
    left = datetime.fromisoformat(until).timestamp() - time.time() if until else None
    shown = "for good" if left is None else age(left)
    return {**row, "id": f"{row['scope']} {row['subject']}", "left": shown}


def _local(until: str) -> str:
    return datetime.fromisoformat(until).astimezone().strftime("%Y-%m-%d %H:%M") if until else "it is lifted"


PLACE = Place("bans", "Bans", "Who is refused, why, until when; lift one.", Bans, order=55)
