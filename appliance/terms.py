"""The values everyone passes around: services, secrets, credentials, routes, refusals, look-up results.

Nothing here may do I/O or know a protocol. A refusal is an *expected* failure, from a closed list; each
protocol has one table from it to its own words (RFC 5530 for IMAP).
"""

from __future__ import annotations

import hmac
from enum import Enum, StrEnum
from typing import Final, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Service(StrEnum):
    """What a listener serves."""

    IMAP = "imap"
    POP3 = "pop3"
    SIEVE = "sieve"
    SMTP = "smtp"
    SUBMISSION = "submission"
    WEBMAIL = "webmail"
    CONSOLE = "console"


class Secret:
    """Octets that must never be printed: prints as stars, compares in constant time."""

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def reveal(self) -> bytes:
        """The octets themselves, for the one place that must use them."""
        return self._octets

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._octets, other._octets)

    def __hash__(self) -> int:
        raise TypeError("a secret is not a key")

    def __reduce__(self) -> str:
        raise TypeError("a secret is not sent anywhere")


class Refusal(StrEnum):
    """Why a log-in ends without a session. The closed list."""

    BAD_CREDENTIALS = "bad-credentials"
    UNKNOWN_HERE = "unknown-here"
    DISABLED = "disabled"
    BANNED = "banned"
    NOT_PERMITTED = "not-permitted"
    EXPIRED = "expired"
    TLS_REQUIRED = "tls-required"
    BACKEND_DOWN = "backend-down"
    BACKEND_REFUSED = "backend-refused"
    MISCONFIGURED = "misconfigured"
    LIMIT = "limit"
    TRY_LATER = "try-later"
    LOOP = "loop"

    @property
    def told(self) -> Refusal:
        """What the client is told: who is unknown, disabled or banned must not learn it (CWE-203)."""
        return Refusal.BAD_CREDENTIALS if self in _TOLD_AS_BAD else self

    @property
    def is_failure(self) -> bool:
        """Whether it counts as a failed guess: held back, and counted by address and account."""
        return self.told is Refusal.BAD_CREDENTIALS or self is Refusal.NOT_PERMITTED


_TOLD_AS_BAD: Final = frozenset(
    {Refusal.BAD_CREDENTIALS, Refusal.UNKNOWN_HERE, Refusal.DISABLED, Refusal.BANNED}
)


class Credentials(msgspec.Struct, frozen=True):
    """What a client offered: `name` as it typed it, `authzid` empty unless it asks to act as another."""

    name: str
    password: Secret
    authzid: str = ""
    mechanism: str = "PLAIN"


class TlsMode(StrEnum):
    """How a connection to a back-end is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class Endpoint(msgspec.Struct, frozen=True):
    """One protocol of one back-end, as this node reaches it. Made once per snapshot, shared by all routes."""

    backend: str
    host: str
    port: int
    tls: TlsMode = TlsMode.NONE
    tls_name: str = ""  # name to verify; empty = host
    tls_ca: str = ""  # PEM text; empty = the system's
    tls_pin: bytes = b""  # SHA-256 of the certificate (DER); empty = verify by name and CA
    client_address: str = "none"  # none | native | proxy-v2


class Route(msgspec.Struct, frozen=True):
    """Where a session goes and how we log in there."""

    endpoint: Endpoint
    address: str  # the mailbox, normalised: what logs and limits speak of
    login: str  # authorisation: the name the store knows the mailbox by
    authcid: str  # authentication: equals login unless a master user logs in
    password: Secret
    source: str  # "map people", "failover", "standby of mail1": for logs and `route`
    full: str = ""  # the limit that leaves no room for one more session: only told to whom the store has said yes


class Found(msgspec.Struct, Generic[T], frozen=True):
    """A look-up's yes."""

    value: T


class Absent(Enum):
    """A look-up's certain no."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class Unknown(msgspec.Struct, frozen=True):
    """A look-up that could not be answered: an outage is never "no such user"."""

    reason: str


Lookup = Found[T] | Absent | Unknown


class Peer(msgspec.Struct, frozen=True):
    """Who is at the other end of a client connection, and at which door."""

    service: Service
    ip: str
    port: int
    secured: bool  # TLS now, or a network that may log in without


class Limits(msgspec.Struct, frozen=True):
    """The [limits] of a node, as the workers use them. Meaning, unit and default of each: db/catalogue.py."""

    preauth_seconds: float = 60
    preauth_read_seconds: float = 30
    preauth_commands: int = 20
    preauth_bytes: int = 65536
    preauth_per_address: int = 32
    preauth_share: float = 0.5
    connections: int = 8192
    sessions_per_address: int = 0
    sessions_per_account: int = 100
    attempts: int = 4
    connect_seconds: float = 10
    login_seconds: float = 30
    retries: int = 3
    retry_pause: float = 1
    idle_seconds: float = 2100
    breaker_failures: int = 5
    breaker_clients: int = 2
    breaker_seconds: float = 30
    failure_delay: float = 2
    failure_delay_max: float = 15
    hash_threads: int = 2
    hash_queue: int = 64
    success_cache_seconds: float = 300
    probe_seconds: float = 10
    drain_seconds: float = 30

    def reached(self, by_address: int, by_account: int) -> str:
        """The limit that leaves no room for one more session, beside so many of its address and mailbox; else empty."""
        if 0 < self.sessions_per_account <= by_account:
            return "sessions_per_account"
        return "sessions_per_address" if 0 < self.sessions_per_address <= by_address else ""
