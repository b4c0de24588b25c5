"""What IMAP clients are told: each refusal's response code (RFC 5530) and words, and every fixed line of ours.

Data only. The words for who is unknown, unmapped, disabled, banned or wrong must stay one and the same (CWE-203).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from appliance.terms import Refusal

_FAILED: Final = (b"AUTHENTICATIONFAILED", b"Authentication failed.")

REFUSALS: Final[dict[Refusal, tuple[bytes, bytes]]] = {
    Refusal.BAD_CREDENTIALS: _FAILED,
    Refusal.UNKNOWN_HERE: _FAILED,
    Refusal.DISABLED: _FAILED,
    Refusal.BANNED: _FAILED,
    Refusal.NOT_PERMITTED: (b"AUTHORIZATIONFAILED", b"You may not act as that user."),
    Refusal.EXPIRED: (b"EXPIRED", b"The password has expired."),
    Refusal.TLS_REQUIRED: (b"PRIVACYREQUIRED", b"Log in over TLS only."),
    Refusal.BACKEND_DOWN: (b"UNAVAILABLE", b"Your mail store cannot be reached now, try again later."),
    Refusal.BACKEND_REFUSED: (b"UNAVAILABLE", b"Your mail store does not let us log in now, try again later."),
    Refusal.MISCONFIGURED: (b"SERVERBUG", b"The way to your mail store is misconfigured, tell your administrator."),
    Refusal.LIMIT: (b"LIMIT", b"Too many connections or attempts, try again later."),
    Refusal.TRY_LATER: (b"UNAVAILABLE", b"Temporary failure, try again later."),
    Refusal.LOOP: (b"SERVERBUG", b"The way to your mail store leads in a circle, tell your administrator."),
}

REFUSED: Final = {refusal: b" NO [%b] %b\r\n" % told for refusal, told in REFUSALS.items()}  # after the tag

GO_AHEAD: Final = b"+ Go ahead\r\n"
ID: Final = b'* ID ("name" "Postern")\r\n'
LOGGED_OUT: Final = b"* BYE Logging out\r\n"
KICKED: Final = b"* BYE This session was ended by an administrator\r\n"
TURNED_AWAY: Final = b"* BYE Too busy, try again later\r\n"  # to whom has not logged in
TOO_MANY_COMMANDS: Final = b"* BYE Too many commands before log-in\r\n"
TOO_MANY_ATTEMPTS: Final = b"* BYE Too many failed attempts\r\n"
LINE_TOO_LONG: Final = b"* BYE Line too long\r\n"
TOO_BIG: Final = b"* BYE [TOOBIG] Literal too big\r\n"
BAD_LITERAL: Final = b"* BYE Malformed literal\r\n"

# Before log-in: what we answer ourselves ...
_OURS: Final = b"IMAP4rev1 SASL-IR LITERAL- ID"
# ... and of what every store offers that which is of use after log-in only, and changes nothing before it. Never
# IMAP4rev2 or UTF8=: they change how strings are read. Never LITERAL+: our own limit is LITERAL-.
_OF_USE_LATER: Final = """
    BINARY CATENATE CHILDREN CONDSTORE CONTEXT=SEARCH CONTEXT=SORT ENABLE ESEARCH ESORT IDLE LIST-EXTENDED
    LIST-STATUS METADATA MOVE MULTIAPPEND NAMESPACE NOTIFY QRESYNC QUOTA SAVEDATE SEARCHRES SORT SPECIAL-USE
    STATUS=SIZE THREAD=REFERENCES THREAD=REFS UIDPLUS UNSELECT WITHIN XLIST"""
PROMISED: Final = frozenset(_OF_USE_LATER.split())


@lru_cache(64)
def capability(starttls: bool, may_log_in: bool, promised: frozenset[str] = frozenset()) -> bytes:
    """What is offered before log-in (RFC 9051, 6.1.1; RFC 3501, 6.2.3)."""
    words = [_OURS, *(word.encode() for word in sorted(promised & PROMISED))]
    if starttls:
        words.append(b"STARTTLS")
    words.append(b"AUTH=PLAIN AUTH=LOGIN" if may_log_in else b"LOGINDISABLED")
    return b" ".join(words)


def greeting(hostname: str, starttls: bool, may_log_in: bool, promised: frozenset[str] = frozenset()) -> bytes:
    """The first line, with the capabilities in it: some clients never ask."""
    offered = capability(starttls, may_log_in, promised)
    return b"* OK [CAPABILITY %b] %b ready\r\n" % (offered, hostname.encode("ascii", "replace"))


@lru_cache(64)
def capability_line(starttls: bool, may_log_in: bool, promised: frozenset[str] = frozenset()) -> bytes:
    """The untagged answer to CAPABILITY."""
    return b"* CAPABILITY %b\r\n" % capability(starttls, may_log_in, promised)
