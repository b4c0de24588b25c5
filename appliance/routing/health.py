"""Which back-ends are up: a circuit breaker for each back-end and service, fed by sessions and by probes.

Must never call a store down because of one client, nor forever because of old news: an open breaker lets one session
through after a while, and that one's fate decides. What this worker finds out by itself is told to the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from appliance.routing.networks import client_key
from appliance.routing.services import SESSIONS
from appliance.terms import Limits, Service

OnState = Callable[[str, str, bool, str], None]  # back-end, service, up, reason

REMEMBERED: Final = 64  # failures kept of one breaker; more say nothing new


class Breaker:
    """One back-end's one service. Closed: up. Open: down until `retry_at`, then one trial at a time."""

    __slots__ = ("failures", "is_open", "reason", "retry_at", "since")

    def __init__(self) -> None:
        self.failures: list[tuple[float, str]] = []  # (when, which client), since the last success
        self.is_open = False
        self.reason = ""
        self.retry_at = 0.0
        self.since = 0.0


class Health:
    """The state of all back-ends, as far as known. Unknown is up: the session will find out."""

    def __init__(
        self,
        on_state: OnState = lambda *_: None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or Limits()
        self.opened = 0  # breakers opened by this worker's own sessions
        self._on_state = on_state
        self._clock = clock
        self._breakers: dict[tuple[str, str], Breaker] = {}  # only of those that failed since they were last well

    def usable(self, back_end: str, service: Service, *, trial: bool = True) -> bool:
        """Whether a session may be sent there. With `trial` the asker is the one that tries a store that was down."""
        if not self._breakers:
            return True
        breaker = self._breakers.get((back_end, service))
        if breaker is None or not breaker.is_open:
            return True
        now = self._clock()
        if now < breaker.retry_at:
            return False
        if trial:
            breaker.retry_at = now + self.limits.breaker_seconds
        return True

    def why(self, back_end: str, service: Service) -> tuple[str, float]:
        """Why it counts as down, and for how many seconds; ("", 0) while it is up."""
        breaker = self._breakers.get((back_end, service))
        return (breaker.reason, self._clock() - breaker.since) if breaker and breaker.is_open else ("", 0.0)

    def reached(self, back_end: str, service: Service) -> None:
        """It greeted: it is up."""
        if self._breakers and (breaker := self._breakers.pop((back_end, service), None)) and breaker.is_open:
            self._on_state(back_end, service, True, "")

    def missed(self, back_end: str, service: Service, client_ip: str, why: str) -> None:
        """It could not be reached, or failed before any verdict."""
        now = self._clock()
        breaker = self._breakers.setdefault((back_end, service), Breaker())
        if breaker.is_open:
            breaker.reason, breaker.retry_at = why, now + self.limits.breaker_seconds
            return
        window = now - self.limits.breaker_seconds
        recent = [failure for failure in breaker.failures if failure[0] > window]
        breaker.failures = [*recent, (now, client_key(client_ip))][-REMEMBERED:]
        clients = {client for _, client in breaker.failures}
        if len(breaker.failures) >= self.limits.breaker_failures and len(clients) >= self.limits.breaker_clients:
            self._open(breaker, why)
            self.opened += 1
            self._on_state(back_end, service, False, why)

    def told(self, back_end: str, service: str, up: bool, reason: str = "") -> None:
        """What a probe or another worker found. An empty service means all of them. Not told on."""
        for each in (service,) if service else SESSIONS:
            if up:
                self._breakers.pop((back_end, each), None)
            else:
                self._open(self._breakers.setdefault((back_end, each), Breaker()), reason)

    def keep_only(self, back_ends: Iterable[str]) -> None:
        """Forget back-ends that are not configured any more."""
        known = set(back_ends)
        for key in [key for key in self._breakers if key[0] not in known]:
            del self._breakers[key]

    def _open(self, breaker: Breaker, why: str) -> None:
        now = self._clock()
        if not breaker.is_open:
            breaker.since = now
        breaker.is_open, breaker.reason, breaker.retry_at = True, why, now + self.limits.breaker_seconds
        breaker.failures = []
