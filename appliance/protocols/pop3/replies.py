"""What POP3 clients are told: each refusal's response code (RFC 2449, 8; RFC 3206) and words, every fixed line of ours.

Data only. The words for who is unknown, unmapped, disabled, banned or wrong must stay one and the same (CWE-203).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from appliance.terms import Refusal

_FAILED: Final = (b"AUTH", b"Authentication failed.")

REFUSALS: Final[dict[Refusal, tuple[bytes, bytes]]] = {
    Refusal.BAD_CREDENTIALS: _FAILED,
    Refusal.UNKNOWN_HERE: _FAILED,
    Refusal.DISABLED: _FAILED,
    Refusal.BANNED: _FAILED,
    Refusal.NOT_PERMITTED: (b"AUTH", b"You may not act as that user."),
    Refusal.EXPIRED: (b"AUTH", b"The password has expired."),
    Refusal.TLS_REQUIRED: (b"", b"Log in over TLS only."),  # no code speaks of it
    Refusal.BACKEND_DOWN: (b"SYS/TEMP", b"Your mail store cannot be reached now, try again later."),
    Refusal.BACKEND_REFUSED: (b"SYS/TEMP", b"Your mail store does not let us log in now, try again later."),
    Refusal.MISCONFIGURED: (b"SYS/PERM", b"The way to your mail store is misconfigured, tell your administrator."),
    Refusal.LIMIT: (b"IN-USE", b"Too many connections or attempts, try again later."),
    Refusal.TRY_LATER: (b"SYS/TEMP", b"Temporary failure, try again later."),
    Refusal.LOOP: (b"SYS/PERM", b"The way to your mail store leads in a circle, tell your administrator."),
}

REFUSED: Final = {
    refusal: b"-ERR [%b] %b\r\n" % (code, words) if code else b"-ERR %b\r\n" % words
    for refusal, (code, words) in REFUSALS.items()
}

USER: Final = b"+OK\r\n"  # whoever it is
LOGGED_OUT: Final = b"+OK Logging out\r\n"
BEGIN_TLS: Final = b"+OK Begin TLS\r\n"
KICKED: Final = b""  # no words are due that the client did not ask for
TURNED_AWAY: Final = b"-ERR [SYS/TEMP] Too busy, try again later\r\n"  # to whom has not logged in
TOO_MANY_COMMANDS: Final = b"-ERR Too many commands before log-in\r\n"
LINE_TOO_LONG: Final = b"-ERR Line too long\r\n"

# Before log-in: what we answer ourselves, beside what depends on the door. Never UTF8 nor LANG: they would have to be
# said again to the store before anything else is (RFC 6856) ...
_OURS: Final = ("RESP-CODES", "AUTH-RESP-CODE")
# ... and of what every store offers that which is of use after log-in; PIPELINING is its as much as ours.
PROMISED: Final = frozenset({"PIPELINING", "TOP", "UIDL"})
_MECHANISMS: Final = "PLAIN LOGIN"


@lru_cache(64)
def capability(stls: bool, may_log_in: bool, promised: frozenset[str] = frozenset()) -> bytes:
    """The answer to CAPA before log-in (RFC 2449, 5)."""
    words = [*sorted(promised & PROMISED), *_OURS]
    if stls:
        words.append("STLS")
    if may_log_in:
        words += ["USER", f"SASL {_MECHANISMS}"]
    return _listed("Capability list follows", *words, "IMPLEMENTATION Postern")


@lru_cache(64)
def mechanisms(may_log_in: bool) -> bytes:
    """The answer to AUTH without a mechanism: an old habit that clients still have."""
    return _listed("Mechanisms follow", *(_MECHANISMS.split() if may_log_in else ()))


def _listed(title: str, *lines: str) -> bytes:
    """A multi-line answer (RFC 1939, 3)."""
    return "\r\n".join((f"+OK {title}", *lines, ".", "")).encode()


def greeting(hostname: str) -> bytes:
    """The first line. No timestamp, so no APOP: it would need the passwords in the clear (RFC 1939, 7)."""
    return b"+OK %b ready\r\n" % hostname.encode("ascii", "replace")
