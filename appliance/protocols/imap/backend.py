"""IMAP, seen from in front of a store: greeting, STARTTLS, log-in in one round trip, what the store says to it.

Pure. Must never send a password in a way the store has not offered, never pass on a store's referral, and never
take a continuation for success. RFC 9051 and 3501; SASL-IR 4959; LITERAL+ and - 7888; ID 2971.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from appliance.edge.sasl import encode_plain
from appliance.protocols.conversation import BACKEND, Misspoken, Send, Step, read_exactly, secure
from appliance.protocols.handover import Turned, down
from appliance.protocols.imap.capability import cleaned, code_name, offers, ok_text, said
from appliance.protocols.imap.grammar import LITERAL, quoted
from appliance.protocols.lines import BACKEND_LINE, LINE, is_tidy, printable, without_ending
from appliance.terms import Refusal, Route, TlsMode

UNTAGGED: Final = 32  # lines a store may say before it answers
UNTIDY: Final = "NUL or bare CR from the store"

# A store's NO with one of these codes keeps it, and its words: it speaks of something other than the password.
KEPT: Final = {
    b"LIMIT": Refusal.LIMIT,
    b"INUSE": Refusal.TRY_LATER,
    b"UNAVAILABLE": Refusal.TRY_LATER,
    b"EXPIRED": Refusal.EXPIRED,
    b"CONTACTADMIN": Refusal.BACKEND_REFUSED,
}
# With one of these, our own words: the store speaks of how *we* came to it, which is not the client's to solve.
OURS: Final = {
    b"PRIVACYREQUIRED": Refusal.MISCONFIGURED,
    b"SERVERBUG": Refusal.BACKEND_REFUSED,
    b"REFERRAL": Refusal.BACKEND_REFUSED,  # RFC 2221: the map decides where a mailbox is, and nobody else
    b"AUTHORIZATIONFAILED": Refusal.NOT_PERMITTED,
}
SWALLOWED: Final = (b"* CAPABILITY ", b"* ID ", b"* BYE", b"* OK [CAPABILITY ", b"* OK [REFERRAL ", b"* NO [REFERRAL ")


class Welcome(NamedTuple):
    """A store's yes."""

    untagged: bytes  # its lines to pass on
    capability: bytes  # what it offers now, cleaned
    words: bytes


class Answer(NamedTuple):
    """What a store said up to its answer."""

    status: bytes  # OK, NO, BAD; or + for a continuation: it waits for more of us
    line: bytes
    untagged: list[bytes]


def _statuses(tag: bytes) -> dict[bytes, bytes]:
    """The first six octets of all answers to a command, in capitals."""
    found = {b"%b %b%b" % (tag, status, end): status for status in (b"OK", b"NO") for end in (b" ", b"\r", b"\n")}
    return found | {tag + b" BAD": b"BAD"}


ASKED: Final = _statuses(b"P0")
LOGGING_IN: Final = _statuses(b"P1")


def log_in(route: Route, introduction: bytes = b"") -> Step[Welcome | Turned]:
    """Log in at the store just dialled. `introduction` is an ID command, sent along if the store offers ID."""
    greeting: bytes = yield BACKEND_LINE
    if not is_tidy(without_ending(greeting)):
        raise Misspoken(BACKEND, UNTIDY)
    if greeting[:4].upper() != b"* OK":
        return _unwelcome(greeting)
    capability = ok_text(greeting[5:])[0] or (yield from _ask())
    if route.endpoint.tls is TlsMode.STARTTLS:
        if b"STARTTLS" not in offers(capability):
            return Turned(Refusal.MISCONFIGURED, "the store does not offer STARTTLS")
        turned = yield from _start_tls()
        if turned is not None:
            return turned
        capability = yield from _ask()  # what was said in the clear is forgotten (RFC 9051, 6.2.1)
    offered = offers(capability)
    chunks = exchange(route, offered)
    if isinstance(chunks, Turned):
        return chunks
    if introduction and b"ID" in offered:
        chunks[0] = introduction + chunks[0]
    return (yield from _present(chunks, route))


def _unwelcome(greeting: bytes) -> Turned:
    """A greeting other than OK (RFC 9051, 7.1.4 and 7.1.5)."""
    kind = greeting[:9].upper()
    if kind[:5] == b"* BYE":
        return down(said(greeting))
    if kind == b"* PREAUTH":
        return Turned(Refusal.MISCONFIGURED, "the store greets as already logged in: " + said(greeting))
    return Turned(Refusal.MISCONFIGURED, "the store does not speak IMAP: " + said(greeting))


def _start_tls() -> Step[Turned | None]:
    yield Send(BACKEND, b"P0 STARTTLS\r\n")
    answer = yield from _answer(ASKED)
    if answer.status != b"OK":
        return Turned(Refusal.MISCONFIGURED, "the store refuses STARTTLS: " + said(answer.line))
    refusal = yield from secure(BACKEND)
    return None if refusal is None else Turned(refusal, "no TLS with the store")


def _ask() -> Step[bytes]:
    """The store's capabilities, asked for."""
    yield Send(BACKEND, b"P0 CAPABILITY\r\n")
    return _volunteered((yield from _answer(ASKED)))


def exchange(route: Route, offered: frozenset[bytes]) -> list[bytes] | Turned:
    """What to say to log in; each chunk but the first waits for a continuation. The password is in the last."""
    if not offered & {b"IMAP4REV1", b"IMAP4REV2"}:
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


def _present(chunks: list[bytes], route: Route) -> Step[Welcome | Turned]:
    """Say them; the store's verdict."""
    untagged: list[bytes] = []
    for chunk in chunks:
        yield Send(BACKEND, chunk)
        status, line, heard = yield from _answer(LOGGING_IN)
        untagged += heard
        if status != b"+":
            break
    judged = chunk is chunks[-1]
    if status == b"OK" and judged:
        return (yield from _welcome(line, untagged))
    if status == b"OK":
        return Turned(Refusal.MISCONFIGURED, "the store lets in without a password: " + said(line))
    if status == b"+":  # it wants more than there is: an error to be shown, then its no (RFC 9051, 6.2.2)
        yield Send(BACKEND, b"*\r\n")
        status, line, heard = yield from _answer(LOGGING_IN)
        return Turned(Refusal.BACKEND_REFUSED, "the store asks for more than there is: " + said(line))
    return refused(line, judged=judged, master=route.authcid != route.login)


def refused(line: bytes, *, judged: bool, master: bool) -> Turned:
    """What a NO or BAD means. A BAD that answers a password is a rejection of it, too.

    If the password was not sent yet, or is a master user's, the client's own was not what the store disliked.
    """
    text = line[6:].strip()
    kept = code_name(text)
    why = said(line)
    if kept in KEPT:
        return Turned(KEPT[kept], why, b"NO [%b] %b" % (kept, printable(text.partition(b"]")[2]) or b"Refused"))
    if not judged or master:
        return Turned(OURS.get(kept, Refusal.BACKEND_REFUSED), why)
    return Turned(OURS.get(kept, Refusal.BAD_CREDENTIALS), why)


def _welcome(line: bytes, untagged: list[bytes]) -> Step[Welcome]:
    """The store's yes, with its capabilities: in the tagged line, in an untagged one before, or asked for."""
    capability, words = ok_text(line[6:])
    if untagged:
        capability = capability or _volunteered(Answer(b"OK", line, untagged))  # the tagged ones are the latest
        untagged = [line for line in untagged if not line.upper().startswith(SWALLOWED)]
    if not capability:
        capability = yield from _ask()
    return Welcome(b"".join(untagged), cleaned(capability), words)


def _volunteered(answer: Answer) -> bytes:
    """Capabilities anywhere in an answer, or nothing."""
    found = ok_text(answer.line[6:])[0]
    for line in answer.untagged:
        plain = without_ending(line)[13:] if line[:13].upper() == b"* CAPABILITY " else b""
        found = plain or ok_text(line[5:])[0] or found
    return found


def _answer(statuses: dict[bytes, bytes]) -> Step[Answer]:
    """Read up to the tagged answer, or a continuation (some stores omit the space after `+`)."""
    untagged: list[bytes] = []
    while len(untagged) <= UNTAGGED:
        line: bytes = yield BACKEND_LINE
        if line[-3:] == b"}\r\n":
            line = yield from _with_literals(line)
        elif not is_tidy(without_ending(line)):
            raise Misspoken(BACKEND, UNTIDY)
        status = statuses.get(line[:6].upper())
        if status is not None:
            return Answer(status, line, untagged)
        start = line[:2]
        if start == b"* ":
            untagged.append(line)
        elif start[:1] == b"+":
            return Answer(b"+", line, untagged)
        elif start == b"I0":
            untagged.append(b"")  # the answer to our introduction: nothing to pass on, but it counts
        else:
            break
    raise Misspoken(BACKEND, "the store gives no answer that makes sense")


def _with_literals(line: bytes) -> Step[bytes]:
    """The whole of a response whose first line seems to end in a literal."""
    response = line
    while line[-3:] == b"}\r\n":
        if not is_tidy(line[:-2]):
            raise Misspoken(BACKEND, UNTIDY)
        digits = line[line.rfind(b"{") + 1 : -3]
        if not digits.isdigit():
            break
        if len(digits) > 5 or len(response) + int(digits) > 2 * LINE:
            raise Misspoken(BACKEND, "too much from the store before log-in")
        if int(digits):
            response += yield from read_exactly(BACKEND, int(digits))
        line = yield BACKEND_LINE
        response += line
    return response
