"""Who is connected: for `session list`, `session kick` and the metrics. Names of counters: appliance.control.tally.

Must never change a session but end it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from appliance.messages import Kick, ListSessions, SessionRow
from appliance.protocols.conversation import BACKEND, Admit, Dial, Effect, ReadExactly, ReadLine, Refuse, Secure, Wait
from appliance.wire.relay import Relay
from appliance.wire.session import LEAVING, Session
from appliance.wire.shared import Shared

_STATES: Final[dict[type[Effect], str]] = {
    Admit: "being admitted",
    Dial: "connecting to the back-end",
    Refuse: "being refused",
    Wait: "waiting to try again",
}


def state(session: Session) -> str:
    """What a session that has not logged in waits for: its effect, in words."""
    effect = session.effect
    if effect is LEAVING:
        return "leaving"
    if isinstance(effect, Secure):
        return "shaking hands with the back-end" if effect.side is BACKEND else "shaking hands"
    if isinstance(effect, ReadLine | ReadExactly):
        if effect.of is not BACKEND:
            return "waiting for the client"
        heard = session.backend is not None and (session.backend.heard or session.backend.tls is not None)
        return "waiting for the back-end's answer" if heard else "waiting for the back-end's greeting"
    return _STATES.get(type(effect), "beginning")


def _row(session: Session) -> SessionRow:
    attempt = session.attempt
    route = attempt.route if attempt is not None else None
    credentials = attempt.credentials if attempt is not None else None
    user = route.address if route is not None else credentials.name if credentials is not None else ""
    backend = route.endpoint.backend if route is not None else ""
    door = session.door
    since = session.shared.epoch + session.expires - door.limits.preauth_seconds
    service, doing = session.policy.service, state(session)
    return SessionRow(door.session, user, service, door.client_ip, backend, since, 0, 0, doing, waiting=True)


class Census:
    """The connections of one worker."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def _all(self) -> Iterator[tuple[SessionRow, Callable[[], object]]]:
        """Every connection's row, and how to end it."""
        for relay in list(self._shared.relays.values()):
            yield relay.row(), relay.kick
        for session in list(self._shared.room.all):
            assert isinstance(session, Session)
            yield _row(session), session.evict

    def sessions(self, wanted: ListSessions) -> Iterator[SessionRow]:
        """The rows that match."""
        return (row for row, _ in self._all() if _matches(row, wanted))

    def kick(self, wanted: Kick) -> int:
        """End those of the ids, and those that match the filters if there are any. Returns how many."""
        filtered = bool(wanted.user or wanted.service or wanted.backend or wanted.client)
        ids, count = set(wanted.ids), 0
        for row, end in self._all():
            if row.id in ids or (filtered and _matches(row, wanted)):
                end()
                count += 1
        return count

    def totals(self) -> dict[str, float]:
        """The wire's counters and gauges."""
        totals = defaultdict(float, self._shared.totals)
        for service, count in self._shared.accepted.items():
            totals[f"connections/{service}"] = count
        for service, (received, sent) in self._shared.octets.items():
            totals[f"octets/{service}/in"] = received
            totals[f"octets/{service}/out"] = sent
        for relay in self._shared.relays.values():
            _count(relay, totals)
        for session in self._shared.room.all:
            assert isinstance(session, Session)
            totals[f"waiting/{session.policy.service}"] += 1
        return dict(totals)


def _count(relay: Relay, totals: dict[str, float]) -> None:
    totals[f"octets/{relay.service}/in"] += relay.up.octets
    totals[f"octets/{relay.service}/out"] += relay.down.octets
    totals[f"sessions/{relay.service}/{relay.backend}"] += 1


def _matches(row: SessionRow, wanted: ListSessions | Kick) -> bool:
    return (
        wanted.user in ("", row.user)
        and wanted.service in ("", row.service)
        and wanted.backend in ("", row.backend)
        and wanted.client in ("", row.client)
    )
