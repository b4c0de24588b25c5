"""Log-ins by the minute: how many, how many failed, how long the slow ones took. Made of what workers count.

Pure: no I/O, and the clock is handed in. Minutes are the clock's own, so the last one has only begun. One thread
feels, any may ask.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import msgspec

from appliance.control.tally import parsed
from appliance.messages import LOGIN_SECONDS

MINUTES: Final = 12
RECENT: Final = 5  # of these, for the figures that are one number
SHARE: Final = 0.95  # of the log-ins were quicker than the slow ones

Counts = Mapping[str, Mapping[str, float]]  # service: {"ok", "failed", upper bounds in seconds as of LOGIN_SECONDS}


class Beats(msgspec.Struct, frozen=True):
    """One service's last minutes, oldest first; log_ins, failed and slowest_ms are of the last five."""

    per_minute: list[int]
    failed_per_minute: list[int]
    log_ins: int
    failed: int
    slowest_ms: int | None


class Pulse:
    """What was counted when each of the last minutes began."""

    def __init__(self) -> None:
        self._minute: int | None = None
        self._marks: tuple[Counts, ...] = ({}, {})  # when each minute began, and the last one: now

    def feel(self, grown: Mapping[str, float], now: float) -> None:
        """What was counted up to now (see Tally.grown)."""
        minute = int(now // 60)
        passed = 0 if self._minute is None else min(max(minute - self._minute, 0), MINUTES)
        *began, before = self._marks
        self._minute, self._marks = minute, (*(*began, *(before,) * passed)[-MINUTES:], _by_service(grown))

    def of(self, service: str) -> Beats:
        """The last minutes of a service."""
        marks = [counts.get(service, {}) for counts in self._marks]
        ok, failed = _steps(marks, "ok"), _steps(marks, "failed")
        slowest = _slowest(marks[max(len(marks) - 1 - RECENT, 0)], marks[-1])
        return Beats(ok, failed, sum(ok[-RECENT:]), sum(failed[-RECENT:]), slowest)


def _by_service(grown: Mapping[str, float]) -> Counts:
    counts: dict[str, Counter[str]] = {}
    for key, value in grown.items():
        name, labels = parsed(key)
        if name == "logins":
            label = "ok" if labels["outcome"] == "ok" else "failed"
        elif name == "login_seconds":
            label = labels["le"]
        else:
            continue
        counts.setdefault(labels["service"], Counter())[label] += value  # type: ignore[assignment]
    return counts


def _steps(marks: list[Mapping[str, float]], label: str) -> list[int]:
    """How many came in each of the last MINUTES; none in those before the first that is known."""
    values = [int(mark.get(label, 0)) for mark in marks]
    steps = [later - earlier for earlier, later in pairwise(values)]
    return [0] * (MINUTES - len(steps)) + steps


def _slowest(then: Mapping[str, float], now: Mapping[str, float]) -> int | None:
    """Milliseconds that SHARE of the log-ins stayed under, as far as the bounds tell; two digits of it are true."""
    bounds = [*map(str, LOGIN_SECONDS), "+Inf"]
    counts = [now.get(bound, 0) - then.get(bound, 0) for bound in bounds]
    left = SHARE * sum(counts)
    if left <= 0:
        return None
    lower = 0.0
    for upper, count in zip((*LOGIN_SECONDS, LOGIN_SECONDS[-1]), counts, strict=True):
        if left <= count:
            return round(float(f"{1000 * (lower + (upper - lower) * left / count):.2g}"))
        left, lower = left - count, upper
    return round(1000 * lower)
