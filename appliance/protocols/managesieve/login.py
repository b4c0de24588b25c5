"""AUTHENTICATE: from a client's words to credentials, and with them to the store.

Pure. Must never look at a password that came in the clear where that is not allowed, and never tell more of a failed
log-in than its refusal's words. RFC 5804, 2.1; PLAIN 4616.
"""

from __future__ import annotations

from appliance.edge import sasl
from appliance.protocols.conversation import CLIENT, CLOSE, RELAY, End, Refuse, Send, Step
from appliance.protocols.handover import Turned, hand_over
from appliance.protocols.managesieve import replies
from appliance.protocols.managesieve.backend import log_in
from appliance.protocols.managesieve.client import Client, refuse
from appliance.protocols.managesieve.grammar import Malformed, quoted, read_text, strings
from appliance.protocols.mechanisms import MECHANISMS
from appliance.terms import Credentials, Refusal, Route


def authenticate(client: Client, arguments: bytes) -> Step[End | None]:
    """RFC 5804, 2.1. No block follows: none of our mechanisms has a security layer, and no client would expect it."""
    mechanism, *initial = strings(arguments) or [b""]
    exchange = MECHANISMS.get(mechanism.upper())
    if exchange is None:
        return (yield from refuse(replies.NO_MECHANISM))
    if len(initial) > 1:
        raise Malformed("one response at most")
    try:
        credentials = yield from exchange(initial[0] if initial else None, _respond)
    except sasl.BadName as bad:  # as for any other name that is not there
        yield Refuse(Refusal.BAD_CREDENTIALS, str(bad))
        return (yield from _refused(client, Turned(Refusal.BAD_CREDENTIALS)))
    return (yield from _admit(client, credentials))


def _respond(challenge: bytes) -> Step[bytes]:
    """The client's decoded response to a challenge: strings both, an empty one an empty string."""
    yield Send(CLIENT, b"%b\r\n" % quoted(challenge))
    response = strings(b" " + (yield from read_text(CLIENT)))
    if response == [b"*"]:
        raise sasl.Malformed("cancelled")
    if len(response) != 1 or response == [b"="]:
        raise sasl.Malformed("invalid base64")
    return sasl.decode(response[0])


def _admit(client: Client, credentials: Credentials) -> Step[End | None]:
    """The hand-over, and how it went."""

    def there(route: Route) -> Step[bytes | Turned]:
        return log_in(client.door, route)

    outcome = yield from hand_over(client.door, credentials, there)
    if isinstance(outcome, Turned):
        return (yield from _refused(client, outcome))
    yield Send(CLIENT, b"OK %b\r\n" % quoted(outcome))
    return RELAY


def tls_first(client: Client, arguments: bytes) -> Step[End | None]:
    """Whatever the password is, it is too late for it: say so before looking."""
    yield Refuse(Refusal.TLS_REQUIRED, "log-in without TLS")
    return (yield from _refused(client, Turned(Refusal.TLS_REQUIRED)))


def _refused(client: Client, turned: Turned) -> Step[End | None]:
    """Tell why not, and stay for a few tries: clients walk from mechanism to mechanism."""
    said = turned.words or replies.REFUSED[turned.refusal]
    client.failures += 1
    if client.failures < client.door.limits.attempts:
        yield Send(CLIENT, said)
        return None
    yield Send(CLIENT, said + replies.TOO_MANY_ATTEMPTS)
    return CLOSE
