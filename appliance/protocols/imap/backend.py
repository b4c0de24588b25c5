"""IMAP, seen from in front of a store: greeting, STARTTLS, log-in in one round trip, its welcome.

Pure. Must never send a password in a way the store has not offered, nor take a continuation for success.
RFC 9051 and 3501; SASL-IR 4959; LITERAL+ and - 7888; ID 2971.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from appliance.edge.sasl import encode_plain
from appliance.protocols.conversation import BACKEND, Misspoken, Send, Step, secure
from appliance.protocols.handover import Turned
from appliance.protocols.imap.capability import cleaned, offers, ok_text, said
from appliance.protocols.imap.grammar import LITERAL, quoted
from appliance.protocols.imap.responses import ASKED, LOGGING_IN, UNTIDY, Answer, read_answer, volunteered
from appliance.protocols.imap.verdicts import refused, unwelcome
from appliance.protocols.lines import BACKEND_LINE, is_tidy, without_ending
from appliance.terms import Refusal, Route, TlsMode

STARTTLS: Final = TlsMode.STARTTLS
REVISIONS: Final = frozenset((b"IMAP4REV1", b"IMAP4REV2"))
SWALLOWED: Final = (b"* CAPABILITY ", b"* ID ", b"* BYE", b"* OK [CAPABILITY ", b"* OK [REFERRAL ", b"* NO [REFERRAL ")


class Welcome(NamedTuple):
    """A store's yes."""

    untagged: bytes  # its lines to pass on
    capability: bytes  # what it offers now, cleaned
    told: bytes  # what the client is told after its own tag


def log_in(route: Route, introduction: bytes = b"") -> Step[Welcome | Turned]:
    """Log in at the store just dialled. `introduction` is an ID command, sent along if the store offers ID."""
    offered = greeted((yield BACKEND_LINE)) or offers((yield from _ask()))
    if route.endpoint.tls is STARTTLS and not isinstance(offered, Turned):
        offered = yield from _start_tls(offered)
    if isinstance(offered, Turned):
        return offered
    chunks = exchange(route, offered)
    if isinstance(chunks, Turned):
        return chunks
    if introduction and b"ID" in offered:
        chunks[0] = introduction + chunks[0]
    if len(chunks) > 1:
        return (yield from _step_by_step(chunks, route))
    yield Send(BACKEND, chunks[0])
    line: bytes = yield BACKEND_LINE
    return welcomed(line) or (yield from verdict(line, [], route))


@lru_cache(64)
def greeted(greeting: bytes) -> frozenset[bytes] | Turned:
    """What a store offers in its greeting, nothing if it is to be asked; or why it is of no use. Raises Misspoken.

    Stores repeat themselves, octet by octet: one reading serves many log-ins, here and in `welcomed`.
    """
    if not is_tidy(without_ending(greeting)):
        raise Misspoken(BACKEND, UNTIDY)
    if greeting[:4].upper() != b"* OK":
        return unwelcome(greeting)
    return offers(ok_text(greeting[5:])[0])


def _start_tls(offered: frozenset[bytes]) -> Step[frozenset[bytes] | Turned]:
    """Turn TLS on; what the store offers then: what it said in the clear is forgotten (RFC 9051, 6.2.1)."""
    if b"STARTTLS" not in offered:
        return Turned(Refusal.MISCONFIGURED, "the store does not offer STARTTLS")
    yield Send(BACKEND, b"P0 STARTTLS\r\n")
    answer = yield from read_answer(ASKED)
    if answer.status != b"OK":
        return Turned(Refusal.MISCONFIGURED, "the store refuses STARTTLS: " + said(answer.line))
    refusal = yield from secure(BACKEND)
    if refusal is not None:
        return Turned(refusal, "no TLS with the store")
    return offers((yield from _ask()))


def _ask() -> Step[bytes]:
    """The store's capabilities, asked for."""
    yield Send(BACKEND, b"P0 CAPABILITY\r\n")
    return volunteered((yield from read_answer(ASKED)))


def exchange(route: Route, offered: frozenset[bytes]) -> list[bytes] | Turned:
    """What to say to log in; each chunk but the first waits for a continuation. The password is in the last."""
    if offered.isdisjoint(REVISIONS):
        return Turned(Refusal.MISCONFIGURED, "the store does not offer IMAP4rev1 or IMAP4rev2")
    if b"LOGINDISABLED" in offered:
        return Turned(Refusal.MISCONFIGURED, "the store wants TLS before log-in")
    if b"AUTH=PLAIN" in offered:
        response = encode_plain(route.login, route.authcid, route.password)
        if b"SASL-IR" in offered:
            return [b"P1 AUTHENTICATE PLAIN %b\r\n" % response]
        return [b"P1 AUTHENTICATE PLAIN\r\n", response + b"\r\n"]
    if route.authcid != route.login:
        return Turned(Refusal.MISCONFIGURED, "a master user needs AUTH=PLAIN, which the store does not offer")
    return _login(route, offered)


def _login(route: Route, offered: frozenset[bytes]) -> list[bytes]:
    """LOGIN, with literals only where nothing else can hold the value."""
    unasked = LITERAL if b"LITERAL-" in offered else 1 << 30 if b"LITERAL+" in offered else -1
    chunks = [b"P1 LOGIN"]
    for value in (route.login.encode(), route.password.reveal()):
        text = quoted(value)
        if text is not None:
            chunks[-1] += b" " + text
        elif len(value) <= unasked:
            chunks[-1] += b" {%d+}\r\n%b" % (len(value), value)
        else:
            chunks[-1] += b" {%d}\r\n" % len(value)
            chunks.append(value)
    chunks[-1] += b"\r\n"
    return chunks


def _step_by_step(chunks: list[bytes], route: Route) -> Step[Welcome | Turned]:
    """Say them, each after a continuation; the store's verdict."""
    untagged: list[bytes] = []
    for chunk in chunks[:-1]:
        yield Send(BACKEND, chunk)
        status, line, heard = yield from read_answer(LOGGING_IN)
        untagged += heard
        if status == b"OK":
            return Turned(Refusal.MISCONFIGURED, "the store lets in without a password: " + said(line))
        if status != b"+":
            return refused(line, judged=False, master=route.authcid != route.login)
    yield Send(BACKEND, chunks[-1])
    return (yield from verdict((yield BACKEND_LINE), untagged, route))


@lru_cache(64)
def welcomed(line: bytes) -> Welcome | None:
    """The welcome in a line that says yes and what is offered now: the usual case. None for any other."""
    if LOGGING_IN.get(line[:6].upper()) != b"OK" or line[-3:] == b"}\r\n" or not is_tidy(without_ending(line)):
        return None
    capability, words = ok_text(line[6:])
    return _welcome(capability, words) if capability else None


def _welcome(capability: bytes, words: bytes, untagged: bytes = b"") -> Welcome:
    capability = cleaned(capability)
    return Welcome(untagged, capability, b" OK [CAPABILITY %b] %b\r\n" % (capability, words))


def verdict(line: bytes, untagged: list[bytes], route: Route) -> Step[Welcome | Turned]:
    """What comes of the store's answer, of which this line is the first; `untagged` came before."""
    status, line, heard = yield from read_answer(LOGGING_IN, line)
    if status == b"OK":
        return (yield from _let_in(line, untagged + heard))
    if status == b"+":  # it wants more than there is: an error to be shown, then its no (RFC 9051, 6.2.2)
        yield Send(BACKEND, b"*\r\n")
        status, line, heard = yield from read_answer(LOGGING_IN)
        return Turned(Refusal.BACKEND_REFUSED, "the store asks for more than there is: " + said(line))
    return refused(line, judged=True, master=route.authcid != route.login)


def _let_in(line: bytes, untagged: list[bytes]) -> Step[Welcome]:
    """The store's yes, with its capabilities: in the tagged line, in an untagged one before, or asked for."""
    capability, words = ok_text(line[6:])
    if untagged:
        capability = capability or volunteered(Answer(b"OK", line, untagged))  # the tagged ones are the latest
        untagged = [line for line in untagged if not line.upper().startswith(SWALLOWED)]
    if not capability:
        capability = yield from _ask()
    return _welcome(capability, words, b"".join(untagged))
