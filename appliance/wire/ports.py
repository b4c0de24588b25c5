"""What the wire needs of the rest, as interfaces: whoever composes a worker hands these in.

The wire may not import routing (it moves bytes and decides nothing); routing never imports the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from appliance.protocols.conversation import Conversation, Door
from appliance.terms import Credentials, Endpoint, Limits, Peer, Refusal, Route

T = TypeVar("T")

Verdict = Route | Refusal


class Admission(Protocol):
    """Who is let in, and where to. Implemented by routing.admission; called from the loop's thread only."""

    @property
    def limits(self) -> Limits:
        """The limits now in force."""

    def admit(self, peer: Peer, credentials: Credentials, answer: Callable[[Verdict], None]) -> Verdict | None:
        """The verdict at once, or None: then `answer` is called later, from the loop's thread, exactly once."""

    def is_ours(self, ip: str, port: int) -> bool:
        """Whether connecting there would reach a listener of this node."""

    def reached(self, endpoint: Endpoint, peer: Peer) -> None:
        """The back-end greeted: it is up."""

    def missed(self, endpoint: Endpoint, peer: Peer, why: str) -> None:
        """The back-end could not be reached, or failed before any verdict."""

    def welcomed(self, peer: Peer, route: Route, seconds: float) -> None:
        """The log-in succeeded, at the store too, `seconds` after the client's command."""

    def refused(self, peer: Peer, credentials: Credentials | None, refusal: Refusal, elapsed: float) -> float:
        """Count a refusal. Returns how many seconds to hold the answer, `elapsed` (since the attempt) included."""


class Offload(Protocol):
    """Blocking work in a bounded pool of threads."""

    def __call__(self, work: Callable[[], T], done: Callable[[T | BaseException], None]) -> bool:
        """Run `work` in a thread, then `done(result or exception)` in the loop. False: the queue is full, not run."""


Protocol_ = Callable[[Door], Conversation]  # a session protocol's front-end: opens the conversation of one client
