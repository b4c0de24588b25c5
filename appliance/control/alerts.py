"""What needs an administrator: each with its cause, since when, whom it touches, and where to look.

Pure: signs in, sentences out. What stores and certificates say of themselves is escaped by whoever shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

DAY: Final = 86400.0
EXPIRES_SOON: Final = 14 * DAY
EXPIRES_NOW: Final = 7 * DAY
LITTLE_ROOM: Final = 0.10
NO_ROOM: Final = 0.02
LAGS: Final = 5.0  # seconds that a worker may need before anybody is told
NEWS: Final = 3600.0  # seconds that what is over, but should be known, is told
LOCKED_OUT_SHOWN: Final = 5

Level = Literal["problem", "warning"]


class Alert(msgspec.Struct, frozen=True):
    """One line of "needs you"."""

    id: str
    level: Level
    text: str
    screen: str
    subject: str
    since: float


class Certificate(msgspec.Struct, frozen=True):
    """One that is served: when it ends, and what is wrong with it besides."""

    name: str
    ends: float
    problems: Sequence[str] = ()


class LockedOut(msgspec.Struct, frozen=True):
    """Who was banned for wrong guesses, and when."""

    subject: str
    reason: str
    at: float


class Signs(msgspec.Struct):
    """All that alerts are made of, of one moment."""

    now: float
    runs: bool = True
    stores: Sequence[Mapping[str, Any]] = ()  # the overview's, each with `standby`
    closed: Mapping[str, Sequence[str]] = {}  # service: sentences
    workers: int = 1
    laggards: Sequence[str] = ()
    lost: tuple[int, float] = (0, 0.0)  # log-ins missing from the history, and when the last was lost
    certificates: Sequence[Certificate] = ()
    locked_out: Sequence[LockedOut] = ()
    room: float = 1.0  # of the disk that holds the home, free
    trial: Mapping[str, Any] | None = None
    empty_maps: Mapping[str, Sequence[str]] = {}  # map: services that use it


class Watchman:
    """Remembers since when each sign is seen."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._seen: set[str] = set()  # of these, which are seen now

    def alerts(self, signs: Signs) -> list[Alert]:
        """What needs somebody now, the worst first."""
        self._seen.clear()
        found = [
            *self._node(signs), *self._stores(signs), *self._doors(signs), *self._certificates(signs),
            *self._maps(signs), *_news(signs), *self._machine(signs),
        ]  # fmt: skip
        self._since = {sign: self._since[sign] for sign in self._seen}
        return sorted(found, key=lambda alert: alert.level != "problem")

    def _first(self, sign: str, now: float) -> float:
        """When this sign, which is seen now, was first seen."""
        self._seen.add(sign)
        return self._since.setdefault(sign, now)

    def _alert(
        self, signs: Signs, id: str, level: Level, text: str, screen: str, subject: str = ""  # noqa: A002
    ) -> Alert:
        return Alert(id, level, text, screen, subject, self._first(id, signs.now))

    def _node(self, signs: Signs) -> Iterator[Alert]:
        if not signs.runs:
            yield self._alert(signs, "node", "problem", "the node does not run: nobody can log in", "services")
        elif not signs.workers and signs.now - self._first("workers", signs.now) >= LAGS:
            text = "no process serves sessions: nobody can log in"
            yield self._alert(signs, "workers", "problem", text, "services")
        for name in signs.laggards:
            if signs.now - self._first(f"worker {name}", signs.now) >= LAGS:
                text = f"{name} does not serve by the newest configuration: its clients are served by an older one"
                yield self._alert(signs, f"worker {name}", "problem", text, "services", name)

    def _stores(self, signs: Signs) -> Iterator[Alert]:
        state = {store["name"]: store["state"] for store in signs.stores}
        for store in signs.stores:
            if (told := _of_store(store, state.get(store["standby"], ""))) is not None:
                name, since = store["name"], store["since"] or signs.now
                yield Alert(f"store {name} {store['state']}", *told, "backends", name, since)

    def _doors(self, signs: Signs) -> Iterator[Alert]:
        for service, sentences in signs.closed.items():
            screen = "metrics" if service == "metrics" else "services"
            for sentence in sentences:
                yield self._alert(signs, f"door {sentence}", "problem", sentence, screen, service)

    def _certificates(self, signs: Signs) -> Iterator[Alert]:
        for one in signs.certificates:
            name = "the default certificate" if one.name == "*" else f"certificate {one.name}"
            if one.problems:
                text = f"{name} does not fit: {'; '.join(one.problems)}"
                yield self._alert(signs, f"certificate {one.name} fit", "problem", text, "certificates", one.name)
            left = one.ends - signs.now
            if left < EXPIRES_SOON:
                level: Level = "problem" if left < EXPIRES_NOW else "warning"
                end = f"expires {_in_days(left)}: clients will refuse it" if left > 0 else "expired: clients refuse it"
                since = one.ends - EXPIRES_SOON if left > 0 else one.ends
                yield Alert(f"certificate {one.name} end", level, f"{name} {end}", "certificates", one.name, since)

    def _maps(self, signs: Signs) -> Iterator[Alert]:
        for name, services in signs.empty_maps.items():
            text = f"map {name} is empty: {', '.join(services)} finds nobody in it"
            yield self._alert(signs, f"map {name}", "warning", text, "maps", name)

    def _machine(self, signs: Signs) -> Iterator[Alert]:
        if signs.room < LITTLE_ROOM:
            level: Level = "problem" if signs.room < NO_ROOM else "warning"
            free = f"{int(100 * signs.room)} % free"
            text = f"the disk of this node's data has {free}: without room nothing can be changed"
            yield self._alert(signs, "disk", level, text, "services")


def _of_store(store: Mapping[str, Any], standby: str) -> tuple[Level, str] | None:
    """How bad, and in what words; None for a store that is well."""
    name, reason = store["name"], store["reason"]
    if store["state"] == "down" and standby in ("up", "slow"):
        return "warning", f"{name} is down: {_log_ins(store)} go to {store['standby']} ({reason})"
    if store["state"] == "down":
        return "problem", f"{name} is down: {_log_ins(store)} fail ({reason})"
    if store["state"] == "partly":
        return "problem", f"{name} is partly down: some {_log_ins(store)} fail ({reason})"
    if store["state"] == "slow":
        seconds = int((store["answers_ms"] or 0) / 1000) or 1
        return "warning", f"{name} is slow, over {seconds} s: {_log_ins(store)} wait"
    return None


def _log_ins(store: Mapping[str, Any]) -> str:
    users = store["users"]
    return f"log-ins of {users:,} {'person' if users == 1 else 'people'}" if users else "its log-ins"


def _in_days(seconds: float) -> str:
    days = int(seconds // DAY)
    return f"in {days} day{'s' * (days != 1)}" if days else "today"


def _news(signs: Signs) -> Iterator[Alert]:
    if signs.trial is not None:
        text = f"on trial: {signs.trial['what']}; the node takes it back by itself unless it is kept"
        yield Alert("trial", "warning", text, "audit", signs.trial["change"], signs.trial["since"])
    lost, at = signs.lost
    if lost and signs.now - at < NEWS:
        text = f"{lost:,} log-in{'s' * (lost != 1)} could not be written to the log"
        yield Alert("history", "problem", text, "log", "", at)
    recent = sorted((one for one in signs.locked_out if signs.now - one.at < NEWS), key=lambda one: -one.at)
    for one in recent[:LOCKED_OUT_SHOWN]:
        text = f"{one.subject} is banned: {one.reason}"
        yield Alert(f"ban {one.subject}", "warning", text, "bans", one.subject, one.at)
    if more := recent[LOCKED_OUT_SHOWN:]:
        text = f"{len(more):,} more banned for wrong guesses within the hour"
        yield Alert("bans", "warning", text, "bans", "", more[-1].at)
