"""PASS and AUTH: from a client's words to credentials, and with them to the store.

Pure. Must never look at a password that came in the clear where that is not allowed, and never tell more of a failed
log-in than its refusal's words. RFC 1939, 7; AUTH 5034; PLAIN 4616.
"""

from __future__ import annotations

from appliance.edge import sasl
from appliance.protocols.conversation import CLIENT, CLOSE, RELAY, End, Refuse, Send, Step
from appliance.protocols.handover import Turned, hand_over
from appliance.protocols.mechanisms import MECHANISMS, respond
from appliance.protocols.pop3 import replies
from appliance.protocols.pop3.backend import LEAVE, log_in
from appliance.protocols.pop3.client import Client, answer, bad
from appliance.protocols.xclient import introduction
from appliance.terms import Credentials, Refusal, Route


def password(client: Client, argument: bytes) -> Step[End | None]:
    """PASS, spaces and all. It answers for one USER."""
    name, client.user = client.user, None
    if name is None:
        return bad("USER first")
    try:
        credentials = sasl.credentials(name, argument, mechanism="USER")
    except sasl.BadName as bad_name:
        return _no_such_name(client, bad_name)
    return _admit(client, credentials)


def authenticate(client: Client, argument: bytes) -> Step[End | None]:
    """RFC 5034, 4, with initial responses; without a mechanism it asks which there are."""
    mechanism, space, initial = argument.partition(b" ")
    if not mechanism:
        return (yield from answer(replies.mechanisms(client.may_log_in)))
    if not client.may_log_in:
        return (yield from tls_first(client, argument))
    exchange = MECHANISMS.get(mechanism.upper())
    if exchange is None:
        return (yield from bad("Mechanism not supported"))
    try:
        credentials = yield from exchange(initial if space else None, respond)
    except sasl.BadName as bad_name:
        return (yield from _no_such_name(client, bad_name))
    return (yield from _admit(client, credentials))


def _admit(client: Client, credentials: Credentials) -> Step[End | None]:
    """The hand-over, told in the store's words."""
    door = client.door

    def there(route: Route) -> Step[bytes | Turned]:
        return log_in(route, door.promised, introduction(door, route))

    outcome = yield from hand_over(door, credentials, there, LEAVE)
    if isinstance(outcome, Turned):
        return (yield from _refused(client, outcome))
    yield Send(CLIENT, outcome)
    return RELAY


def _no_such_name(client: Client, bad_name: sasl.BadName) -> Step[End | None]:
    """As for any other name that is not there."""
    yield Refuse(Refusal.BAD_CREDENTIALS, str(bad_name))
    return (yield from _refused(client, Turned(Refusal.BAD_CREDENTIALS)))


def tls_first(client: Client, _argument: bytes) -> Step[End | None]:
    """Whatever the password is, it is too late for it: say so before looking. Even USER is refused: PASS is next."""
    yield Refuse(Refusal.TLS_REQUIRED, "log-in without TLS")
    return (yield from _refused(client, Turned(Refusal.TLS_REQUIRED)))


def _refused(client: Client, turned: Turned) -> Step[End | None]:
    """Tell why not, and stay for a few tries: clients walk from mechanism to mechanism."""
    yield Send(CLIENT, b"-ERR %b\r\n" % turned.words if turned.words else replies.REFUSED[turned.refusal])
    client.failures += 1
    return None if client.failures < client.door.limits.attempts else CLOSE
