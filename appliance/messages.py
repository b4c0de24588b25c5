"""What this node's own processes say to each other, over Unix sockets of type SEQPACKET: one message, one packet.

Two conversations. Supervisor and roles, on HOME/run/supervisor.sock: listening sockets travel beside `Listeners`
by SCM_RIGHTS. Controller and workers, on HOME/run/news.sock: news one way, deltas and answers the other.
A packet is at most PACKET octets; lists that may be longer are sent in parts. Both ends are this same release, but
during an upgrade one may be a release older: fields are only ever added, with defaults.
"""

from __future__ import annotations

from typing import Final

import msgspec

PACKET: Final = 64 * 1024


class Message(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Anything in a packet."""


# --- roles to supervisor -------------------------------------------------------------------------------------


class Hello(Message, frozen=True):
    """A role's first words. `instance` tells two releases of one role apart during an upgrade."""

    role: str
    instance: str
    pid: int


class Ready(Message, frozen=True):
    """Everything of this role is open and serving. Older instances of the role may drain now."""


class Alive(Message, frozen=True):
    """Sent each second; a role that falls silent is replaced."""


class ListenersWanted(Message, frozen=True):
    """Controller to supervisor, before a change is made: could these be opened? Answer: ListenersPossible."""

    request: int
    listeners: list[ListenerSpec]


class ConfigurationChanged(Message, frozen=True):
    """Controller to supervisor, after a change: services listen elsewhere now. Answer: ListenersOpen."""

    revision: int


# --- supervisor to roles -------------------------------------------------------------------------------------


class ListenerSpec(msgspec.Struct, frozen=True):
    """One address a service listens on."""

    service: str
    address: str  # "192.0.2.1:993" or "[::]:993", as configured
    tls: bool  # TLS from the first octet


class Listeners(Message, frozen=True):
    """The role's listening sockets, all of them, replacing what it had.

    With it come `len(specs) * copies` descriptors: for each spec, one per worker (SO_REUSEPORT), in order. More
    than MAX_DESCRIPTORS are sent as several messages; `more` is true in all but the last.
    """

    specs: list[ListenerSpec]
    copies: int
    more: bool = False


MAX_DESCRIPTORS: Final = 200
MAX_IDS: Final = 100  # of one Kick
MAX_WORD: Final = 400  # octets of an id, or of a filter of Kick and ListSessions: no session has longer ones


class ListenersPossible(Message, frozen=True):
    """Answer to ListenersWanted: empty, or what cannot be opened and why."""

    request: int
    problems: list[str]


class ListenersOpen(Message, frozen=True):
    """Answer to ConfigurationChanged, when the sockets are open and handed out: empty, or what could not be opened."""

    revision: int
    problems: list[str]


class Drain(Message, frozen=True):
    """Accept no more, finish what is open, then exit."""

    seconds: float  # at most; infinite during an upgrade: as long as the sessions last


class ReloadCertificates(Message, frozen=True):
    """Read the certificates again (SIGHUP, or a change of them), in place."""


# --- workers to controller -----------------------------------------------------------------------------------


class WorkerHello(Message, frozen=True):
    """A worker's first words to the controller. Answer: Generation, then BackendState for each that is known."""

    role: str
    pid: int
    slot: int
    instance: str


class Applied(Message, frozen=True):
    """This worker serves by this revision now."""

    revision: int


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """One log-in, ended one way or the other. Packed without the names of its fields: new ones come last."""

    at: float  # seconds since the epoch
    session: str
    service: str
    user: str
    client: str
    backend: str = ""
    source: str = ""
    refusal: str = ""  # empty: logged in
    why: str = ""
    ms: list[float] = []  # admission, dial, log-in there, in all


class Outcomes(Message, frozen=True):
    """Log-ins since the last of these, at most every 100 ms."""

    outcomes: list[Outcome]


class PackedOutcomes(Message, frozen=True, tag="Outcomes"):
    """The same to the controller, which keeps them as they came: `unpack` is for those that somebody asks for."""

    outcomes: msgspec.Raw


# Upper bounds, in seconds, of what counters named login_seconds/SERVICE/BOUND count; beyond the last, +Inf.
LOGIN_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Counters(Message, frozen=True):
    """Totals since the worker began, each second: name (see docs/metrics) to value."""

    totals: dict[str, float]


class FailuresSeen(Message, frozen=True):
    """Failed guesses since the last of these, for the other workers to add: key (see routing.limits) to count."""

    failures: dict[str, int]


class RehashWanted(Message, frozen=True):
    """The password of this account was right, its hash is of an old scheme: `new` replaces `old`."""

    address: str
    old: str
    new: str


class SessionRow(msgspec.Struct, frozen=True):
    """One live session, as `session list` shows it."""

    id: str
    user: str
    service: str
    client: str
    backend: str
    since: float
    octets_in: int
    octets_out: int
    state: str
    waiting: bool = False  # has not logged in


class Sessions(Message, frozen=True):
    """Answer to ListSessions, in parts; `more` is true in all but the last."""

    request: int
    sessions: list[SessionRow]
    more: bool = False


class Kicked(Message, frozen=True):
    """Answer to Kick."""

    request: int
    count: int


# --- controller to workers (and workers to controller: BackendState of the own circuit breaker, Held) -------


class Generation(Message, frozen=True):
    """Configuration or data changed up to this revision: read it, answer Applied. `certificates` when those did."""

    revision: int
    certificates: bool = False


class BackendState(Message, frozen=True):
    """What a probe or a circuit breaker found. `service` empty: all of the back-end."""

    backend: str
    service: str
    up: bool
    reason: str = ""
    capabilities: str = ""  # what it offers before log-in (control.offers); empty: not known, what was known holds


class FailuresElsewhere(Message, frozen=True):
    """Failed guesses seen by the node's other workers."""

    failures: dict[str, int]


class Held(Message, frozen=True):
    """Connections by whose they are (keys: wire.crowds), as far as they changed: a worker's own, or all others'."""

    counts: dict[str, int]


class ListSessions(Message, frozen=True):
    """Name your sessions; an empty filter matches all. `backend` exact, `client` and `user` too."""

    request: int
    user: str = ""
    service: str = ""
    backend: str = ""
    client: str = ""


class Kick(Message, frozen=True):
    """End these sessions with a farewell: those of the ids, and all that match the (non-empty) filters."""

    request: int
    ids: list[str] = []
    user: str = ""
    service: str = ""
    backend: str = ""
    client: str = ""


FromRole = Hello | Ready | Alive | ListenersWanted | ConfigurationChanged
FromSupervisor = Listeners | ListenersPossible | ListenersOpen | Drain | ReloadCertificates
FromWorker = (
    WorkerHello | Applied | PackedOutcomes | Counters | FailuresSeen | Held | RehashWanted | Sessions | Kicked
    | BackendState
)  # fmt: skip
FromController = Generation | BackendState | FailuresElsewhere | Held | ListSessions | Kick

_encoder: Final = msgspec.msgpack.Encoder()
decode_from_role: Final = msgspec.msgpack.Decoder(FromRole).decode
decode_from_supervisor: Final = msgspec.msgpack.Decoder(FromSupervisor).decode
decode_from_worker: Final = msgspec.msgpack.Decoder(FromWorker).decode
decode_from_controller: Final = msgspec.msgpack.Decoder(FromController).decode


def encode(message: Message) -> bytes:
    """The packet of a message."""
    return _encoder.encode(message)


_decode_outcomes: Final = msgspec.msgpack.Decoder(list[Outcome]).decode


def count(packed: PackedOutcomes) -> int:
    """How many log-ins these are, from the head of the list (MessagePack's array). Raises msgspec.DecodeError."""
    head = bytes(memoryview(packed.outcomes)[:5])
    if head[0] & 0xF0 == 0x90:
        return head[0] & 0x0F
    if head[0] not in (0xDC, 0xDD):
        raise msgspec.DecodeError("log-ins are a list")
    return int.from_bytes(head[1:3] if head[0] == 0xDC else head[1:5])


def unpack(outcomes: bytes | msgspec.Raw) -> list[Outcome]:
    """The log-ins themselves. Raises msgspec.DecodeError if a worker sent something else for them."""
    return _decode_outcomes(outcomes)
