"""ManageSieve, seen from in front of a store: greeting, STARTTLS, log-in in one round trip, its verdict.

Pure. Must never send a password in a way the store has not offered, nor pass on a store's referral, nor blame the
client for how we came to the store. RFC 5804.
"""

from __future__ import annotations

from typing import Final

from appliance.edge.sasl import encode_plain
from appliance.protocols import xclient
from appliance.protocols.conversation import BACKEND, Door, Misspoken, Send, Step, secure
from appliance.protocols.handover import Turned, down
from appliance.protocols.managesieve.grammar import quoted, string
from appliance.protocols.managesieve.responses import Response, read_block, read_response
from appliance.terms import Refusal, Route, TlsMode

WORDS: Final = b"Logged in"  # for a store that has none

# A store's refusal with one of these codes speaks of how *we* came to it, which is not the client's to solve.
OURS: Final = {
    b"ENCRYPT-NEEDED": Refusal.MISCONFIGURED,
    b"AUTH-TOO-WEAK": Refusal.MISCONFIGURED,
    b"TRANSITION-NEEDED": Refusal.BACKEND_REFUSED,
    b"REFERRAL": Refusal.BACKEND_REFUSED,  # the map decides where scripts are, and nobody else
}

Offer = dict[bytes, bytes]


def log_in(door: Door, route: Route) -> Step[bytes | Turned]:
    """Log in at the store just dialled; its words. It is told along with that who comes, if it offers XCLIENT."""
    offered = yield from _greeted()
    if route.endpoint.tls is TlsMode.STARTTLS and not isinstance(offered, Turned):
        offered = yield from _start_tls(offered)
    if isinstance(offered, Turned):
        return offered
    mechanisms = offered.get(b"SASL", b"").upper().split()
    if b"PLAIN" not in mechanisms:
        why = "wants TLS before log-in" if not mechanisms and b"STARTTLS" in offered else "does not offer PLAIN"
        return Turned(Refusal.MISCONFIGURED, f"the store {why}")
    listed = offered.get(b"XCLIENT")
    introduction = b"" if listed is None else xclient.introduction(door, route, listed.upper().split())
    response = string(encode_plain(route.login, route.authcid, route.password), BACKEND)
    yield Send(BACKEND, b'%bAUTHENTICATE "PLAIN" %b\r\n' % (introduction, response))
    if introduction:
        yield from read_block()  # whatever it thinks of it
    return (yield from _verdict((yield from read_response()), master=route.authcid != route.login))


def _greeted() -> Step[Offer | Turned]:
    """What a store offers in its greeting, or why it is of no use."""
    try:
        response, offered = yield from read_block()
    except Misspoken as misspoken:
        return Turned(Refusal.MISCONFIGURED, f"the store does not speak ManageSieve: {misspoken}")
    if response.status == b"OK":
        return offered
    return down(response.said) if response.code != b"REFERRAL" else Turned(Refusal.BACKEND_REFUSED, response.said)


def _start_tls(offered: Offer) -> Step[Offer | Turned]:
    """Turn TLS on; what the store offers then, which it says unasked: what it said in the clear is forgotten."""
    if b"STARTTLS" not in offered:
        return Turned(Refusal.MISCONFIGURED, "the store does not offer STARTTLS")
    yield Send(BACKEND, b"STARTTLS\r\n")
    answer, _ = yield from read_block()
    if answer.status != b"OK":
        return Turned(Refusal.MISCONFIGURED, "the store refuses STARTTLS: " + answer.said)
    refusal = yield from secure(BACKEND)
    if refusal is not None:
        return Turned(refusal, "no TLS with the store")
    return (yield from _greeted())


def _verdict(response: Response, *, master: bool) -> Step[bytes | Turned]:
    """What comes of the store's answer to the log-in."""
    if response.status == b"OK":
        return response.words or WORDS
    if response.status:
        return refused(response, master=master)
    yield Send(BACKEND, b'"*"\r\n')  # it wants more than there is
    answer = yield from read_response()
    return Turned(Refusal.BACKEND_REFUSED, "the store asks for more than there is: " + answer.said)


def refused(response: Response, *, master: bool) -> Turned:
    """What a NO or BYE means. If the password is a master user's, the client's own was not what the store disliked."""
    if response.code == b"TRYLATER":
        words = b"NO (TRYLATER) %b\r\n" % quoted(response.words or b"Refused")
        return Turned(Refusal.TRY_LATER, response.said, words)
    usual = Refusal.BACKEND_REFUSED if master or response.status == b"BYE" else Refusal.BAD_CREDENTIALS
    return Turned(OURS.get(response.code, usual), response.said)
