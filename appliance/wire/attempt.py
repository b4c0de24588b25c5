"""One log-in attempt, kept for the log: who, where to, how long each phase took.

Must never outlive the attempt: it holds the credentials.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

from appliance.messages import Outcome
from appliance.terms import Credentials, Peer, Refusal, Route

LONGEST: Final = 500  # letters of a name that nobody has, or of a reason: clients and stores may send many more


class Attempt:
    """From the client's command to the answer, tries at several stores included."""

    __slots__ = ("admission", "began", "credentials", "dial", "login_by", "mark", "peer", "route", "trouble")

    def __init__(self, peer: Peer, credentials: Credentials | None) -> None:
        self.peer = peer
        self.credentials = credentials
        self.route: Route | None = None
        self.trouble = ""  # what the wire knows of a failure, for the log
        self.began = self.mark = monotonic()
        self.login_by = self.admission = self.dial = 0.0  # login_by: when the stores' time is used up; 0: none dialled

    def admitted(self, verdict: Route | Refusal) -> None:
        """The verdict came."""
        if isinstance(verdict, Route):
            self.route = verdict
        now = monotonic()
        self.admission += now - self.mark
        self.mark = now

    def paused(self) -> None:
        """A while has passed that belongs to no phase."""
        self.mark = monotonic()

    def dialled(self) -> None:
        """The connection stands, or cannot."""
        now = monotonic()
        self.dial += now - self.mark
        self.mark = now

    @property
    def elapsed(self) -> float:
        """Seconds so far."""
        return monotonic() - self.began

    def outcome(self, session: str, epoch: float, refusal: Refusal | None = None, why: str = "") -> Outcome:
        """What became of it."""
        now = monotonic()
        route, credentials, total = self.route, self.credentials, now - self.began
        there = now - self.mark if route is not None and refusal is None else 0.0
        if self.trouble:
            why = f"{why}: {self.trouble}" if why else self.trouble
        user = route.address if route is not None else credentials.name[:LONGEST] if credentials is not None else ""
        return Outcome(
            epoch + now,
            session,
            self.peer.service,
            user,
            self.peer.ip,
            route.endpoint.backend if route is not None else "",
            route.source if route is not None else "",
            refusal or "",
            why[:LONGEST],
            [1000 * self.admission, 1000 * self.dial, 1000 * there, 1000 * total],
        )
