"""POP3, seen from in front of a store: greeting, STLS, log-in in one round trip where it can be, its welcome.

Pure. Must never send a password in a way the store has not offered, nor take a continuation for success.
RFC 1939; CAPA 2449; STLS 2595; AUTH 5034.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from appliance.edge.sasl import encode_plain
from appliance.protocols.conversation import BACKEND, Misspoken, Send, Step, secure
from appliance.protocols.handover import Turned
from appliance.protocols.lines import BACKEND_LINE, is_tidy, printable, without_ending
from appliance.protocols.pop3.grammar import COMMAND, is_ok, offers, said, words_of
from appliance.protocols.pop3.verdicts import refused, unwelcome
from appliance.terms import Refusal, Route, TlsMode

STARTTLS: Final = TlsMode.STARTTLS
LEAVE: Final = b"QUIT\r\n"  # a session that is only dropped may keep the mailbox locked
OLD: Final = frozenset({"USER"})  # what a store offers that knows no CAPA
CAPABILITIES: Final = 64  # lines of an answer to CAPA
WORDS: Final = b"Logged in"  # for a store that has none


def log_in(route: Route, promised: frozenset[str], introduction: bytes = b"") -> Step[bytes | Turned]:
    """Log in at the store just dialled: the line that welcomes the client. `promised` is what every store offers.

    What this one offers is asked only if that is not enough to log in; never before TLS begins, if it does (RFC 2595,
    4). `introduction` is an XCLIENT command, sent along if the store offers that.
    """
    greeting = _tidy((yield BACKEND_LINE))
    if not is_ok(greeting):
        return unwelcome(greeting)
    if route.endpoint.tls is STARTTLS and (turned := (yield from _start_tls())) is not None:
        return turned
    offered, chunks = promised, exchange(route, promised)
    if isinstance(chunks, Turned):
        offered = yield from _ask()
        chunks = exchange(route, offered)
    if isinstance(chunks, Turned):
        return chunks
    if introduction and ("XCLIENT" in offered or b"[XCLIENT]" in greeting.upper()):
        yield Send(BACKEND, introduction + chunks[0])
        _tidy((yield BACKEND_LINE))  # a no is no reason to wait: the log-in is on its way
    else:
        yield Send(BACKEND, chunks[0])
    line: bytes = yield BACKEND_LINE
    if len(chunks) > 1:
        if (turned := not_going_on(chunks[0], _tidy(line))) is not None:
            return turned
        yield Send(BACKEND, chunks[1])
        line = yield BACKEND_LINE
    return welcomed(line) or (yield from _verdict(_tidy(line), route))


def _tidy(line: bytes) -> bytes:
    """The line itself. Raises Misspoken if it could be two elsewhere."""
    if not is_tidy(without_ending(line)):
        raise Misspoken(BACKEND, "NUL or bare CR from the store")
    return line


def _start_tls() -> Step[Turned | None]:
    """Turn TLS on, or why it cannot be."""
    yield Send(BACKEND, b"STLS\r\n")
    line = _tidy((yield BACKEND_LINE))
    if not is_ok(line):
        return Turned(Refusal.MISCONFIGURED, "the store refuses STLS: " + said(line))
    refusal = yield from secure(BACKEND)
    return None if refusal is None else Turned(refusal, "no TLS with the store")


def _ask() -> Step[frozenset[str]]:
    """The store's capabilities, asked for."""
    yield Send(BACKEND, b"CAPA\r\n")
    if not is_ok(_tidy((yield BACKEND_LINE))):
        return OLD
    lines: list[bytes] = []
    while (line := without_ending(_tidy((yield BACKEND_LINE)))) != b".":
        if len(lines) >= CAPABILITIES:
            raise Misspoken(BACKEND, "too much from the store before log-in")
        lines.append(line)
    return offers(lines)


def exchange(route: Route, offered: frozenset[str]) -> list[bytes] | Turned:
    """What to say to log in: one chunk, or two of which the second waits for a yes. The password is in the last."""
    if "SASL=PLAIN" in offered:
        response = encode_plain(route.login, route.authcid, route.password)
        command = b"AUTH PLAIN %b\r\n" % response
        return [command] if len(command) <= COMMAND else [b"AUTH PLAIN\r\n", response + b"\r\n"]
    if route.authcid != route.login:
        return Turned(Refusal.MISCONFIGURED, "a master user needs SASL PLAIN, which the store does not offer")
    if "USER" not in offered:
        return Turned(Refusal.MISCONFIGURED, "the store offers neither SASL PLAIN nor USER: it may want TLS first")
    password = route.password.reveal()
    if b"\n" in password or not is_tidy(password):  # no oracle: it must sound like any other guess
        return Turned(Refusal.BAD_CREDENTIALS, "a line end in a password, and no SASL PLAIN to carry it")
    return [b"USER %b\r\n" % route.login.encode(), b"PASS %b\r\n" % password]


def not_going_on(chunk: bytes, line: bytes) -> Turned | None:
    """Why the next chunk must not follow this one, which the store answered so; None if it may.

    A no to USER is one to the name; a no to AUTH is none to anybody.
    """
    by_name = chunk[:4] == b"USER"
    if line[:1] != b"+":
        return refused(line, judged=by_name, master=False)
    if is_ok(line) is not by_name:
        return Turned(Refusal.MISCONFIGURED, "the store answers something else than was asked: " + said(line))
    return None


@lru_cache(64)
def welcomed(line: bytes) -> bytes | None:
    """The client's welcome in a store's yes; None if it is none. Stores repeat themselves: one reading serves many."""
    if not is_ok(line) or not is_tidy(without_ending(line)):
        return None
    return b"+OK %b\r\n" % (printable(words_of(line)) or WORDS)


def _verdict(line: bytes, route: Route) -> Step[Turned]:
    """What comes of an answer that is no yes."""
    if line[:1] == b"+":  # it wants more than there is: an error to be shown, then its no (RFC 5034, 4)
        yield Send(BACKEND, b"*\r\n")
        line = _tidy((yield BACKEND_LINE))
        return Turned(Refusal.BACKEND_REFUSED, "the store asks for more than there is: " + said(line))
    if line[:4].upper() != b"-ERR":
        raise Misspoken(BACKEND, "the store gives no answer that makes sense")
    return refused(line, judged=True, master=route.authcid != route.login)
