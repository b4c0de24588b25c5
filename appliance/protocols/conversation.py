"""The vocabulary of a session: what a conversation may ask of the world, all on this page.

A conversation is a generator: it yields an effect and is sent the effect's answer. It never touches a
socket, a clock or randomness, so a transcript can play every part. `side` is CLIENT or BACKEND: one
conversation tells the whole three-party story.

Raised *into* a conversation: `Gone` when the side it speaks to or waits for has ended or fell silent too long.
Raised *by* a conversation: `Misspoken` when a peer breaks the grammar beyond answering. Anything else is a bug.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum
from typing import Any, Final, TypeVar, cast

from msgspec import Struct

from appliance.terms import Credentials, Limits, Refusal, Route

T = TypeVar("T")


class Side(Enum):
    """Whom an effect concerns."""

    CLIENT = "client"
    BACKEND = "backend"


CLIENT: Final = Side.CLIENT
BACKEND: Final = Side.BACKEND


class Gone(Exception):  # noqa: N818 - a fact about a peer, not an error of ours
    """The side that was spoken to has closed, failed, or kept silent beyond its time (`silent`: not tried again)."""

    def __init__(self, side: Side, why: str, silent: bool = False) -> None:
        super().__init__(why)
        self.side = side
        self.why = why
        self.silent = silent


class Misspoken(Exception):  # noqa: N818
    """A peer broke the protocol's grammar in a way that has no answer; the session ends.

    `farewell` is sent to the client before closing, if given.
    """

    def __init__(self, side: Side, why: str, farewell: bytes = b"") -> None:
        super().__init__(why)
        self.side = side
        self.why = why
        self.farewell = farewell


DEFAULT_LIMITS: Final = Limits()
TTL: Final = 7  # front-ends that a session may pass, against loops


class Door(Struct, eq=False, gc=False):
    """What a conversation knows of the listener it was opened at. Only `secured` and `ttl` ever change."""

    hostname: str
    secured: bool  # TLS is on; set by the wire when Secure(CLIENT) is done
    starttls: bool  # a clear listener that can upgrade
    may_log_in_clear: bool
    client_ip: str
    client_port: int
    session: str  # the session's id, for logs and the store
    limits: Limits = DEFAULT_LIMITS  # those in force when the connection began
    promised: frozenset[str] = frozenset()  # what every store offers, in words
    ttl: int = TTL  # front-ends that the session may still pass, this one included; what came before us may lower it


class Effect(Struct, eq=False, gc=False):
    """What a conversation yields. Two are never equal, and none shows its octets: there may be a password in them."""

    def __repr__(self) -> str:
        return type(self).__name__


class Send(Effect):
    """Queue octets for a side. Answer: None, at once; order is kept."""

    to: Side
    data: bytes


class ReadLine(Effect):
    """Wait for a line. Answer: bytes up to and including LF, at most `limit`; LineTooLong if none is in `limit`."""

    of: Side
    limit: int


class ReadExactly(Effect):
    """Wait for `count` octets. Answer: bytes. Only for counts that were checked against a limit."""

    of: Side
    count: int


class Secure(Effect):
    """Turn TLS on (CLIENT: as the server, BACKEND: as the client, verified as the route says). Answer: None.

    Octets read before, in the clear, are an injection (CVE-2011-0411): the wire raises Misspoken into the
    conversation if any are waiting. A BACKEND that fails verification: Refusal.MISCONFIGURED is the answer.
    """

    side: Side


class Admit(Effect):
    """Ask who this is and where it goes. Answer: Route or Refusal (may take time: hashing, a directory)."""

    credentials: Credentials


class Dial(Effect):
    """Connect to the route's back-end (TCP; implicit TLS and PROXY header included). Answer: None or Refusal.

    BACKEND_DOWN may be tried again; anything else is final, so the wire answers TRY_LATER once the time for the
    whole of the log-in (limits.login_seconds, from the first Dial of this attempt of the client) is used up.
    """

    route: Route


class HangUp(Effect):
    """Close the back-end connection of a failed attempt, so that another may be dialled. Answer: None.

    `why` says that the back-end failed before any verdict and counts against its health (it greeted with BYE, it
    was gone half-way); empty: it gave a verdict, so it is up, whatever it decided. What was sent is flushed first.
    """

    why: str = ""


class Refuse(Effect):
    """A log-in has failed: count it, log it, and hold the answer as long as policy says. Answer: None.

    The conversation then tells the client. `why` is for the log (a store's own words, escaped there).
    """

    refusal: Refusal
    why: str = ""


class Wait(Effect):
    """Let time pass. Answer: None."""

    seconds: float


class Relay(Effect):
    """Logged in: from here both sides are a pipe and the conversation is over (never resumed).

    Octets of either side that were read but not consumed are handed over once, in order. `farewell` is what the
    client is sent when the session is kicked.
    """

    farewell: bytes


class End(Enum):
    """How a front-end's conversation ends."""

    CLOSE = "close"
    RELAY = "relay"


CLOSE: Final = End.CLOSE
RELAY: Final = End.RELAY


class LineTooLong(Exception):  # noqa: N818
    """Raised into the conversation: no LF within the limit. What was read stays unread; usually the end."""

    def __init__(self, side: Side) -> None:
        super().__init__("line too long")
        self.side = side


Answer = Any  # what an effect is answered with; the helpers below give it its type
Conversation = Generator[Effect, Answer, None]
Step = Generator[Effect, Answer, T]  # a part of a conversation that returns a T


def read_line(of: Side, limit: int) -> Step[bytes]:
    """A line, its ending included."""
    return cast(bytes, (yield ReadLine(of, limit)))


def read_exactly(of: Side, count: int) -> Step[bytes]:
    """Exactly `count` octets."""
    return cast(bytes, (yield ReadExactly(of, count)))


def admit(credentials: Credentials) -> Step[Route | Refusal]:
    """Where these credentials lead."""
    return cast("Route | Refusal", (yield Admit(credentials)))


def dial(route: Route) -> Step[Refusal | None]:
    """None once connected."""
    return cast("Refusal | None", (yield Dial(route)))


def secure(side: Side) -> Step[Refusal | None]:
    """None once TLS is on."""
    return cast("Refusal | None", (yield Secure(side)))
