"""The first screen: does mail flow? Without a key; and if not, what is wrong, and where that leads.

Fed by the topics `overview` and `alerts` of the watch alone.
"""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from tui.place import Place, PlaceScreen
from tui.widgets.rows import Column, Rows
from tui.words import bars, count, milliseconds


class Overview(PlaceScreen):
    """Services, stores, and what needs somebody."""

    place: ClassVar[str] = "overview"
    topics: ClassVar = ("overview", "alerts")

    def body(self) -> ComposeResult:
        yield Rows(
            (
                Column("name", "Service"),
                Column("state", "state"),
                Column("sessions", "now", right=True, show=count),
                Column("per_minute", "log-ins/min", show=bars),
                Column("failed", "failed", right=True, show=count),
                Column("slowest_ms", "slowest", right=True, show=milliseconds),
            ),
            "name",
            id="services",
        )
        yield Rows(
            (
                Column("name", "Store"),
                Column("state", "state"),
                Column("sessions", "sessions", right=True, show=count),
                Column("users", "users", right=True, show=count),
                Column("answers_ms", "answers in", right=True, show=milliseconds),
                Column("reason", ""),
            ),
            "name",
            id="stores",
        )
        yield Static("", id="alerts", markup=False)

    def changed(self, topic: str, value: Any) -> None:
        if topic == "overview":
            self.query_one("#services", Rows).show(value["services"])
            self.query_one("#stores", Rows).show(value["backends"])
        else:
            self.query_one("#alerts", Static).update("\n".join(alert["text"] for alert in value))


PLACE = Place("overview", "Overview", "Does mail flow? Services, stores, what needs you.", Overview, order=0)
