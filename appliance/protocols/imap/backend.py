"""IMAP, seen from in front of a store: greeting, STARTTLS, log-in in one round trip, what the store says to it.

Pure. Must never send a password in a way the store has not offered, never pass on a store's referral, and never
take a continuation for success. RFC 9051 and 3501; SASL-IR 4959; LITERAL+ and - 7888; ID 2971.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from appliance.edge.sasl import encode_plain
from appliance.protocols.conversation import BACKEND, Misspoken, Send, Step, read_exactly, read_line, secure
from appliance.protocols.handover import Turned, down
from appliance.protocols.imap.grammar import LITERAL, quoted
from appliance.protocols.lines import LINE, is_tidy, printable, without_ending
from appliance.terms import Refusal, Route, TlsMode

UNTAGGED: Final = 32  # lines a store may say before it answers

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
# Not passed on after log-in: of no use any more, or would lead past us (UNAUTHENTICATE leaves the pipe at this store).
HIDDEN: Final = frozenset((b"STARTTLS", b"LOGINDISABLED", b"UNAUTHENTICATE", b"MULTIPLEX", b"MAILBOX-REFERRALS"))
SWALLOWED: Final = (b"* CAPABILITY ", b"* ID ", b"* BYE", b"* OK [CAPABILITY ", b"* OK [REFERRAL ", b"* NO [REFERRAL ")


class Welcome(NamedTuple):
    """A store's yes."""

    untagged: bytes  # its lines to pass on
    capability: bytes  # what it offers now, cleaned
    words: bytes


class Answer(NamedTuple):
    """What a store said up to its answer."""

    untagged: list[bytes]
    line: bytes  # tagged, or a continuation

    @property
    def continues(self) -> bool:
        """Whether it waits for more of us. Some stores omit the space after `+`."""
        return self.line[:1] == b"+"

    @property
    def status(self) -> bytes:
        """OK, NO or BAD."""
        return self.line[3:6].rstrip().upper()


def log_in(route: Route, introduction: bytes = b"") -> Step[Welcome | Turned]:
    """Log in at the store just dialled. `introduction` is an ID command, sent along if the store offers ID."""
    greeting = yield from _response()
    if greeting[:4].upper() != b"* OK":
        return _unwelcome(greeting)
    capability = code(greeting[5:], b"CAPABILITY") or (yield from _ask(b"P0"))
    if route.endpoint.tls is TlsMode.STARTTLS:
        if b"STARTTLS" not in offers(capability):
            return Turned(Refusal.MISCONFIGURED, "the store does not offer STARTTLS")
        turned = yield from _start_tls()
        if turned is not None:
            return turned
        capability = yield from _ask(b"P0")  # what was said in the clear is forgotten (RFC 9051, 6.2.1)
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
        return down(_said(greeting))
    if kind == b"* PREAUTH":
        return Turned(Refusal.MISCONFIGURED, "the store greets as already logged in: " + _said(greeting))
    return Turned(Refusal.MISCONFIGURED, "the store does not speak IMAP: " + _said(greeting))


def _start_tls() -> Step[Turned | None]:
    yield Send(BACKEND, b"P0 STARTTLS\r\n")
    answer = yield from _answer(b"P0")
    if answer.status != b"OK":
        return Turned(Refusal.MISCONFIGURED, "the store refuses STARTTLS: " + _said(answer.line))
    refusal = yield from secure(BACKEND)
    return None if refusal is None else Turned(refusal, "no TLS with the store")


def _ask(tag: bytes) -> Step[bytes]:
    """The store's capabilities, asked for."""
    yield Send(BACKEND, tag + b" CAPABILITY\r\n")
    answer = yield from _answer(tag)
    return _volunteered(answer)


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
        answer = yield from _answer(b"P1")
        untagged += answer.untagged
        if not answer.continues:
            break
    if answer.continues:  # it wants more than there is: an error to be shown, then its no (RFC 9051, 6.2.2)
        yield Send(BACKEND, b"*\r\n")
        answer = yield from _answer(b"P1")
        return Turned(Refusal.BACKEND_REFUSED, "the store asked for more than PLAIN has: " + _said(answer.line))
    if answer.status != b"OK":
        return refused(answer, judged=chunk is chunks[-1], master=route.authcid != route.login)
    return (yield from _welcome(Answer(untagged, answer.line)))


def refused(answer: Answer, *, judged: bool, master: bool) -> Turned:
    """What a NO or BAD means. A BAD that answers a password is a rejection of it, too.

    If the password was not sent yet, or is a master user's, the client's own was not what the store disliked.
    """
    text = without_ending(answer.line)[6:].strip()
    kept = _code_name(text)
    why = _said(answer.line)
    if kept in KEPT:
        return Turned(KEPT[kept], why, b"NO [%b] %b" % (kept, printable(text.partition(b"]")[2]) or b"Refused"))
    if not judged or master:
        return Turned(OURS.get(kept, Refusal.BACKEND_REFUSED), why)
    return Turned(OURS.get(kept, Refusal.BAD_CREDENTIALS), why)


def _welcome(answer: Answer) -> Step[Welcome]:
    """The store's yes, with its capabilities: in the tagged line, in an untagged one before, or asked for."""
    capability = _volunteered(answer) or (yield from _ask(b"P2"))
    text = without_ending(answer.line)[6:]
    words = text.partition(b"] ")[2] if text[:1] == b"[" else text
    untagged = [line for line in answer.untagged if not line.upper().startswith(SWALLOWED)]
    return Welcome(b"".join(untagged), cleaned(capability), words or b"Logged in")


def _volunteered(answer: Answer) -> bytes:
    """The last capabilities in an answer, or nothing."""
    found = code(answer.line[6:], b"CAPABILITY")
    if found or not answer.untagged:
        return found
    for line in answer.untagged:
        if line[:13].upper() == b"* CAPABILITY ":
            found = without_ending(line)[13:]
        else:
            found = code(line[5:], b"CAPABILITY") or found
    return found


def _answer(tag: bytes) -> Step[Answer]:
    """Read up to the tagged answer, or a continuation. Our own ID's answer (I0) is of no interest."""
    untagged: list[bytes] = []
    start = tag + b" "
    for _ in range(UNTAGGED + 2):
        line = yield from _response()
        if line[:3] == start or line[:1] == b"+":
            if line[:1] != b"+" and line[3:6].rstrip().upper() not in (b"OK", b"NO", b"BAD"):
                break
            return Answer(untagged, line)
        if line[:2] == b"* ":
            untagged.append(line)
        elif line[:3] != b"I0 ":
            break
        if len(untagged) > UNTAGGED:
            break
    raise Misspoken(BACKEND, "the store gives no answer that makes sense")


def _response() -> Step[bytes]:
    """One response of the store, literals included."""
    response = yield from read_line(BACKEND, LINE)
    if not is_tidy(without_ending(response)):
        raise Misspoken(BACKEND, "NUL or bare CR from the store")
    line = response
    while line[-3:] == b"}\r\n":
        digits = line[line.rfind(b"{") + 1 : -3]
        if not digits.isdigit():
            break
        if len(digits) > 5 or len(response) + int(digits) > 2 * LINE:
            raise Misspoken(BACKEND, "too much from the store before log-in")
        if int(digits):
            response += yield from read_exactly(BACKEND, int(digits))
        line = yield from read_line(BACKEND, LINE)
        response += line
    return response


def code(text: bytes, name: bytes) -> bytes:
    """What the response code of this name says, at the beginning of a text; nothing if it is another or none."""
    end = len(name) + 1
    if text[:1] != b"[" or text[1:end].upper() != name or text[end : end + 1] != b" ":
        return b""
    return text[end + 1 :].partition(b"]")[0]


def _code_name(text: bytes) -> bytes:
    """The name of the response code a text begins with."""
    if text[:1] != b"[":
        return b""
    inner = text[1:].partition(b"]")[0].split(None, 1)
    return inner[0].upper() if inner else b""


@lru_cache(64)
def offers(capability: bytes) -> frozenset[bytes]:
    """Capabilities to look things up in. Stores repeat themselves word by word: one parse for all log-ins."""
    return frozenset(capability.upper().split())


@lru_cache(64)
def cleaned(capability: bytes) -> bytes:
    """What a client may see of a store's capabilities once it is logged in."""
    kept = [
        word
        for word in capability.split()
        if word.upper() not in HIDDEN and not word.upper().startswith(b"AUTH=") and word.isascii()
    ]
    return b" ".join(kept) or b"IMAP4rev1"


def _said(line: bytes) -> str:
    """A store's words for the log."""
    return printable(without_ending(line)).decode("ascii")
