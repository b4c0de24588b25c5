"""LOGIN and AUTHENTICATE: from a client's words to credentials, and with them to the store.

Pure. Must never look at a password that came in the clear where that is not allowed, and never tell more of a failed
log-in than its refusal's words. RFC 9051, 6.2.2 and 6.2.3; SASL-IR 4959; PLAIN 4616.
"""

from __future__ import annotations

from appliance.edge import sasl
from appliance.protocols.conversation import CLIENT, CLOSE, RELAY, Door, End, Refuse, Send, Step
from appliance.protocols.handover import Turned, hand_over
from appliance.protocols.imap import replies
from appliance.protocols.imap.backend import Welcome, log_in
from appliance.protocols.imap.client import Client
from appliance.protocols.imap.grammar import Command, Malformed, login_arguments
from appliance.protocols.mechanisms import MECHANISMS, respond
from appliance.terms import Credentials, Refusal, Route


def login(client: Client, command: Command) -> Step[End | None]:
    """RFC 9051, 6.2.3. Names beyond ASCII need AUTHENTICATE (RFC 6855, 5)."""
    name, password = login_arguments(command.segments)
    if not name.isascii():
        raise Malformed("names beyond ASCII need AUTHENTICATE")
    try:
        credentials = sasl.credentials(name, password, mechanism="LOGIN")
    except sasl.BadName as bad:
        return _no_such_name(client, command, bad)
    return _admit(client, command, credentials)


def authenticate(client: Client, command: Command) -> Step[End | None]:
    """RFC 9051, 6.2.2, with initial responses."""
    mechanism, space, initial = command.segments[0].partition(b" ")
    exchange = MECHANISMS.get(mechanism.upper())
    if exchange is None:
        yield Send(CLIENT, command.tag + b" NO [CANNOT] Mechanism not supported\r\n")
        return None
    try:
        credentials = yield from exchange(initial if space else None, respond)
    except sasl.BadName as bad:
        return (yield from _no_such_name(client, command, bad))
    return (yield from _admit(client, command, credentials))


def _admit(client: Client, command: Command, credentials: Credentials) -> Step[End | None]:
    """The hand-over, told with the client's own tag."""

    def there(route: Route) -> Step[Welcome | Turned]:
        return log_in(route, _introduction(client.door, route))

    outcome = yield from hand_over(client.door, credentials, there)
    if isinstance(outcome, Turned):
        return (yield from _refused(client, command.tag, outcome))
    untagged = outcome.untagged
    if client.asked:
        untagged += b"* CAPABILITY %b\r\n" % outcome.capability
    yield Send(CLIENT, untagged + command.tag + outcome.told)
    return RELAY


def _introduction(door: Door, route: Route) -> bytes:
    """Who comes to the store through us, where it wants to know and believes us (Dovecot's login_trusted_networks)."""
    if route.endpoint.client_address != "native":
        return b""
    told = {
        "x-originating-ip": door.client_ip,
        "x-originating-port": door.client_port,
        "x-session-id": door.session,
        "x-proxy-ttl": door.ttl - 1,
    }
    return "I0 ID ({})\r\n".format(" ".join(f'"{key}" "{value}"' for key, value in told.items())).encode()


def _no_such_name(client: Client, command: Command, bad: sasl.BadName) -> Step[End | None]:
    """As for any other name that is not there."""
    yield Refuse(Refusal.BAD_CREDENTIALS, str(bad))
    return (yield from _refused(client, command.tag, Turned(Refusal.BAD_CREDENTIALS)))


def tls_first(client: Client, command: Command) -> Step[End | None]:
    """Whatever the password is, it is too late for it: say so before looking."""
    yield Refuse(Refusal.TLS_REQUIRED, "log-in without TLS")
    return (yield from _refused(client, command.tag, Turned(Refusal.TLS_REQUIRED)))


def _refused(client: Client, tag: bytes, turned: Turned) -> Step[End | None]:
    """Tell why not, and stay for a few tries: clients walk from mechanism to mechanism."""
    said = b" %b\r\n" % turned.words if turned.words else replies.REFUSED[turned.refusal]
    client.failures += 1
    if client.failures < client.door.limits.attempts:
        yield Send(CLIENT, tag + said)
        return None
    yield Send(CLIENT, tag + said + replies.TOO_MANY_ATTEMPTS)
    return CLOSE
