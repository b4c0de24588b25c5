"""The first screen: does mail flow? Without a key; and if not, what is wrong, since when, and where that leads.

Fed by the topics `overview` and `alerts` of the watch alone; on a wide terminal the log runs beside it. Must never ask.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable

from tui.place import Place, PlaceScreen, places
from tui.widgets.frame import Rule
from tui.widgets.rows import Column, Row, Rows
from tui.widgets.tail import Tail
from tui.words import bars, began, count, milliseconds, service

FINE: Final = {"on", "up"}
COLOURS: Final = {"down": "error", "stopped": "error", "unknown": "secondary"}  # any other but a fine one is a warning
ALERTS: Final = 8  # lines of them at most, at 24 lines
QUICK_MS: Final = 100  # the least that a chart of answers reaches up to: a quick store has a low one
TREND: Final = 12  # answers of a store that are kept for its chart
WITH_LOG: Final = 170  # columns


def _state_colour(row: Row) -> str:
    return "" if row["state"] in FINE else COLOURS.get(row["state"], "warning")


def _quiet(_: Row) -> str:
    return "secondary"


SERVICES: Final = (
    Column("shown", "Service", width=12),
    Column("sessions", "now", right=True, show=count, width=7),
    Column("trend", "log-ins", width=11, style=_quiet),
    Column("per_minute", "/min", right=True, show=count, width=5),
    Column("failed", "failed", right=True, width=9, style=lambda row: "warning" if row["many_failed"] else ""),
    Column("slowest_ms", "slowest", right=True, show=milliseconds, width=8),
    Column("told", "", flex=True, style=_state_colour),
)
STORES: Final = (
    Column("shown", "Store", width=12),
    Column("sessions", "now", right=True, show=count, width=7),
    Column("shown_state", "state", width=10, style=_state_colour),
    Column("users", "users", right=True, show=count, width=9),
    Column("answers_ms", "answers", right=True, show=milliseconds, width=8),
    Column("trend", "lately", width=TREND, wide=True, style=_quiet),
    Column("told", "", flex=True, style=_state_colour),
)
NEEDS: Final = (
    Column("number", "", right=True, width=2),
    Column("sign", "", width=1, style=lambda row: "error" if row["level"] == "problem" else "warning"),
    Column("text", "", flex=True),
    Column("since", "", width=6, show=began),
    Column("screen", "", width=14, style=_quiet, wide=True),
)


class Overview(PlaceScreen):
    """Services, stores, and what needs somebody."""

    DEFAULT_CSS = """
    Overview #flow { width: 1fr; }
    Overview #flow Rows { height: auto; }
    Overview Tail { display: none; width: 45%; border-left: solid $panel; }
    Overview.with-log Tail { display: block; }
    """
    place: ClassVar[str] = "overview"
    topics: ClassVar = ("overview", "alerts")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "alert(1)", "to what needs you, by its number", show=False),
        *(Binding(str(number), f"alert({number})", show=False) for number in range(2, 10)),
        Binding("slash", "app.find", "find a person", key_display="/"),
        Binding("f", "app.find", "find a person", show=False),
        Binding("tab", "app.focus_next", "services, stores, what needs you", show=False),
    ]

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self._answered: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=TREND))
        self._knows_keys = False

    def body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="flow"):
                yield Rows(SERVICES, "name", id="services")
                yield Rule(id="off")
                yield Rows(STORES, "name", id="stores")
                yield Rule("Needs you", id="needs")
                yield Rows(NEEDS, "id", id="alerts", show_header=False)
            yield Tail()

    def heading(self) -> str:
        """Nothing more: it is where one is."""
        return "overview"

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#alerts" if self.console.facts.get("alerts") else "#stores").focus()
        self._fit()
        self.run_worker(self._learn_keys(), group="keys")

    async def _learn_keys(self) -> None:
        """The other screens are loaded when this one is painted, and their keys are bound."""
        await asyncio.sleep(0.05)
        for place in (await asyncio.to_thread(places)).values():
            if place.key:
                self._bindings.bind(place.key, f"app.go('{place.name}')", place.name)
        self._knows_keys = True
        self.refresh_bindings()

    def on_key(self, event: events.Key) -> None:
        """Who was quicker than that is not made to press it again."""
        if not self._knows_keys:
            place = next((one for one in places().values() if one.key and one.key == event.character), None)
            if place is not None:
                event.stop()
                self.console.go(place.name)

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        """The log where there is room; the list of stores as long as what needs somebody leaves room."""
        self.set_class(self.app.size.width >= WITH_LOG, "with-log")
        services, alerts = self.query_one("#services", Rows), self.query_one("#alerts", Rows)
        shown = min(len(alerts.rows_shown), max(ALERTS, self.app.size.height // 3))
        alerts.styles.max_height = max(shown, 1)
        room = self.app.size.height - 4 - (len(services.rows_shown) + 1) - shown
        self.query_one("#stores", Rows).styles.max_height = max(room, 4)

    # --- what the watch tells ---

    def changed(self, topic: str, value: Any) -> None:
        if topic == "overview":
            self._flow(value)
        else:
            self.query_one("#alerts", Rows).show([_alert(number, one) for number, one in enumerate(value, 1)])
            self.query_one("#needs", Rule).name_it("Needs you" if value else "Nothing needs you")
        self._fit()

    def _flow(self, value: Mapping[str, Any]) -> None:
        offered = [one for one in value["services"] if one["state"] not in ("off", "unavailable")]
        off = [service(one["name"]) for one in value["services"] if one["state"] == "off"]
        self.query_one("#services", Rows).show([_service(one) for one in offered])
        self.query_one("#off", Rule).name_it(f"Off: {', '.join(off)}" if off else "")
        for one in value["backends"]:
            if one["answers_ms"] is not None:
                self._answered[one["name"]].append(one["answers_ms"])
        stores = [_store(one, value["node"], self._answered[one["name"]]) for one in value["backends"]]
        self.query_one("#stores", Rows).show(stores)

    # --- to the cause ---

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        row = self.query_one(f"#{event.data_table.id}", Rows).current()
        if row is None:
            return
        if event.data_table.id == "alerts":
            self.console.go(row["screen"], row["subject"])
        else:
            self.console.go("services" if event.data_table.id == "services" else "backends", row["name"])

    def action_alert(self, number: int) -> None:
        """By its number."""
        rows = self.query_one("#alerts", Rows).rows_shown
        if number <= len(rows):
            self.console.go(rows[number - 1]["screen"], rows[number - 1]["subject"])


def _service(one: Mapping[str, Any]) -> Row:
    minutes = one["per_minute"]
    tried = one["failed"] + one["log_ins"]
    share = f" ·{one['failed'] / tried:.0%}" if one["failed"] and tried else ""
    return {
        **one,
        "shown": service(one["name"]),
        "trend": bars(minutes[:-1]),  # the last minute has only begun
        "per_minute": minutes[-2] if len(minutes) > 1 else 0,
        "failed": f"{count(one['failed'])}{share}",
        "many_failed": tried >= 20 and one["failed"] > tried / 5,
        "told": "" if one["state"] in FINE else _told(one),
    }


def _store(one: Mapping[str, Any], node: str, answered: Sequence[float]) -> Row:
    fine = one["state"] in FINE
    return {
        **one,
        "shown": f"{one['name']} ⌂" if one["name"] == node else one["name"],
        "shown_state": one["state"] if fine or one["state"] == "unknown" else f"▲ {one['state']}",
        "trend": bars(answered, least=QUICK_MS),
        "told": "" if fine else _told(one, state=False),
    }


def _told(one: Mapping[str, Any], state: bool = True) -> str:
    since = f"since {began(one['since'])}" if one.get("since") else ""
    return "  ".join(filter(None, (f"▲ {one['state']}" if state else "", since, one["reason"])))


def _alert(number: int, one: Mapping[str, Any]) -> Row:
    return {**one, "number": number if number < 10 else "", "sign": "▲" if one["level"] == "problem" else "△"}


PLACE = Place("overview", "Overview", "Does mail flow? Services, stores, what needs you.", Overview, order=0)
