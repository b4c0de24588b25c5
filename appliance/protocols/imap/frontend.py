"""IMAP, seen by a client until it is logged in: from the greeting to the hand-over. RFC 9051 and 3501, as rev1.

Pure. Must never look at a password that came in the clear where that is not allowed, never take a literal's octets
for commands, never answer for the store, and hold no secret once the session is a relay.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from appliance.edge import sasl
from appliance.protocols.conversation import (
    CLIENT,
    Conversation,
    Door,
    LineTooLong,
    Misspoken,
    Refuse,
    Relay,
    Secure,
    Send,
    Step,
    read_line,
)
from appliance.protocols.handover import Turned, hand_over
from appliance.protocols.imap import replies
from appliance.protocols.imap.backend import Welcome, log_in
from appliance.protocols.imap.grammar import Command, Malformed, id_arguments, login_arguments, read_command
from appliance.protocols.lines import LINE, without_ending
from appliance.terms import Credentials, Refusal, Route

TTL: Final = 7  # front-ends a session may pass


class Stage(Enum):
    """How far a connection has come."""

    CLEAR = "clear"  # no TLS, and none may log in without
    OPEN = "open"  # no TLS, from a network that may do without
    SECURED = "secured"


class End(Enum):
    """How a conversation ends."""

    CLOSE = "close"
    RELAY = "relay"


class Client:
    """What is remembered of a client between its commands. No secrets."""

    __slots__ = ("asked", "door", "failures", "ttl")

    def __init__(self, door: Door) -> None:
        self.door = door
        self.asked = False  # it sent CAPABILITY: then it wants an untagged line after log-in, too
        self.failures = 0
        self.ttl = TTL

    @property
    def stage(self) -> Stage:
        """Where the door's state has brought it."""
        if self.door.secured:
            return Stage.SECURED
        return Stage.OPEN if self.door.may_log_in_clear else Stage.CLEAR

    @property
    def offer(self) -> tuple[bool, bool]:
        """STARTTLS now? Log-in now?"""
        return self.door.starttls and not self.door.secured, self.stage is not Stage.CLEAR


def imap(door: Door) -> Conversation:
    """One client's conversation."""
    client = Client(door)
    yield Send(CLIENT, replies.greeting(door.hostname, *client.offer))
    for _ in range(door.limits.preauth_commands):
        end = yield from _turn(client)
        if end is End.RELAY:
            yield Relay(replies.KICKED)
        if end is not None:
            return
    yield Send(CLIENT, replies.TOO_MANY_COMMANDS)


def _turn(client: Client) -> Step[End | None]:
    """One command and its answer. Here lies every secret, so that none is left when this returns."""
    stage = client.stage
    try:
        command = yield from read_command(LITERALS[stage])
        if command.fault:
            return (yield from _bad(command, command.fault))
        handler = VERBS[stage].get(command.verb)
        if handler is None:
            return (yield from _bad(command, b"Log in first" if command.verb in LATER else b"Unknown command"))
        return (yield from handler(client, command))
    except (Malformed, sasl.Malformed) as malformed:
        return (yield from _bad(command, str(malformed).encode()))
    except LineTooLong as long:
        raise Misspoken(long.side, "line too long", replies.LINE_TOO_LONG) from None


def _bad(command: Command, words: bytes) -> Step[End | None]:
    yield Send(CLIENT, b"%b BAD %b\r\n" % (command.tag, words))
    return None


def _ok(command: Command, before: bytes = b"") -> Step[None]:
    """The plain answer to a command without arguments."""
    if command.segments != [b""]:
        raise Malformed("no arguments expected")
    yield Send(CLIENT, b"%b%b OK Done\r\n" % (before, command.tag))


# --- commands without log-in ----------------------------------------------------------------------------------


def _capability(client: Client, command: Command) -> Step[None]:
    client.asked = True
    yield from _ok(command, replies.capability_lines(*client.offer))


def _noop(client: Client, command: Command) -> Step[None]:
    yield from _ok(command)


def _logout(client: Client, command: Command) -> Step[End]:
    yield from _ok(command, replies.LOGGED_OUT)
    return End.CLOSE


def _id(client: Client, command: Command) -> Step[None]:
    """Answered in any state (RFC 2971). Of what it says only the hop count is believed: it can only shorten."""
    hops = id_arguments(command.segments).get(b"x-proxy-ttl", b"")
    if hops.isdigit() and len(hops) < 4:
        client.ttl = min(client.ttl, int(hops))
    yield Send(CLIENT, b"%b%b OK Done\r\n" % (replies.ID, command.tag))


def _starttls(client: Client, command: Command) -> Step[End | None]:
    """RFC 9051, 6.2.1: all that was said before is forgotten, but how often it failed."""
    if not client.door.starttls:
        return (yield from _bad(command, b"STARTTLS is not available"))
    if command.segments != [b""]:
        raise Malformed("no arguments expected")
    yield Send(CLIENT, command.tag + b" OK Begin TLS\r\n")
    yield Secure(CLIENT)
    client.asked = False
    client.ttl = TTL
    return None


def _already_secured(client: Client, command: Command) -> Step[None]:
    yield from _bad(command, b"TLS is on already")


# --- log-in -----------------------------------------------------------------------------------------------------


def _login(client: Client, command: Command) -> Step[End | None]:
    """RFC 9051, 6.2.3. Names beyond ASCII need AUTHENTICATE (RFC 6855, 5)."""
    name, password = login_arguments(command.segments)
    if not name.isascii():
        raise Malformed("names beyond ASCII need AUTHENTICATE")
    try:
        credentials = sasl.credentials(name, password, mechanism="LOGIN")
    except sasl.BadName as bad:
        return (yield from _no_such_name(client, command, bad))
    return (yield from _admit(client, command, credentials))


def _authenticate(client: Client, command: Command) -> Step[End | None]:
    """RFC 9051, 6.2.2, with initial responses."""
    mechanism, space, initial = command.segments[0].partition(b" ")
    exchange = MECHANISMS.get(mechanism.upper())
    if exchange is None:
        yield Send(CLIENT, command.tag + b" NO [CANNOT] Mechanism not supported\r\n")
        return None
    try:
        credentials = yield from exchange(initial if space else None)
    except sasl.BadName as bad:
        return (yield from _no_such_name(client, command, bad))
    return (yield from _admit(client, command, credentials))


def _plain(initial: bytes | None) -> Step[Credentials]:
    if initial is None:
        return sasl.plain((yield from _respond(replies.RESPOND)))
    return sasl.plain(sasl.decode(initial))


def _sasl_login(initial: bytes | None) -> Step[Credentials]:
    """Name, then password; an initial response is the name, so it cannot be an empty one."""
    if initial == b"=":
        raise sasl.Malformed("LOGIN has no empty initial response")
    if initial is None:
        name = yield from _respond(b"+ %b\r\n" % sasl.USERNAME_PROMPT)
    else:
        name = sasl.decode(initial)
    password = yield from _respond(b"+ %b\r\n" % sasl.PASSWORD_PROMPT)
    return sasl.credentials(name, password, mechanism="LOGIN")


def _respond(prompt: bytes) -> Step[bytes]:
    """The client's decoded response to a prompt."""
    yield Send(CLIENT, prompt)
    response = without_ending((yield from read_line(CLIENT, LINE)))
    if response == b"*":
        raise sasl.Malformed("cancelled")
    if response == b"=":  # stands for nothing in an initial response only
        raise sasl.Malformed("invalid base64")
    return sasl.decode(response)


def _admit(client: Client, command: Command, credentials: Credentials) -> Step[End | None]:
    """The hand-over, told with the client's own tag."""
    if client.ttl < 1:
        yield Refuse(Refusal.LOOP, "passed too many front-ends")
        return (yield from _refused(client, command.tag, Turned(Refusal.LOOP)))

    def there(route: Route) -> Step[Welcome | Turned]:
        return log_in(route, _introduction(client, route))

    outcome = yield from hand_over(client.door.limits, credentials, there)
    if isinstance(outcome, Turned):
        return (yield from _refused(client, command.tag, outcome))
    untagged, capability, words = outcome
    if client.asked:
        untagged += b"* CAPABILITY %b\r\n" % capability
    yield Send(CLIENT, b"%b%b OK [CAPABILITY %b] %b\r\n" % (untagged, command.tag, capability, words))
    return End.RELAY


def _introduction(client: Client, route: Route) -> bytes:
    """Who comes to the store through us, where it wants to know and believes us (Dovecot's login_trusted_networks)."""
    if route.endpoint.client_address != "native":
        return b""
    door = client.door
    told = {
        "x-originating-ip": door.client_ip,
        "x-originating-port": door.client_port,
        "x-session-id": door.session,
        "x-proxy-ttl": client.ttl - 1,
    }
    return "I0 ID ({})\r\n".format(" ".join(f'"{key}" "{value}"' for key, value in told.items())).encode()


def _no_such_name(client: Client, command: Command, bad: sasl.BadName) -> Step[End | None]:
    """As for any other name that is not there."""
    yield Refuse(Refusal.BAD_CREDENTIALS, str(bad))
    return (yield from _refused(client, command.tag, Turned(Refusal.BAD_CREDENTIALS)))


def _tls_first(client: Client, command: Command) -> Step[End | None]:
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
    return End.CLOSE


Handler = Callable[[Client, Command], Step[End | None]]

MECHANISMS: Final[dict[bytes, Callable[[bytes | None], Step[Credentials]]]] = {
    b"PLAIN": _plain,
    b"LOGIN": _sasl_login,
}

# Which verb does what, at which stage. All others are BAD.
_ANY: Final[dict[bytes, Handler]] = {b"CAPABILITY": _capability, b"NOOP": _noop, b"LOGOUT": _logout, b"ID": _id}
_IN: Final[dict[bytes, Handler]] = {b"LOGIN": _login, b"AUTHENTICATE": _authenticate}
VERBS: Final[dict[Stage, dict[bytes, Handler]]] = {
    Stage.CLEAR: _ANY | {b"STARTTLS": _starttls, b"LOGIN": _tls_first, b"AUTHENTICATE": _tls_first},
    Stage.OPEN: _ANY | {b"STARTTLS": _starttls} | _IN,
    Stage.SECURED: _ANY | {b"STARTTLS": _already_secured} | _IN,
}

# Whose literals are taken; those of others are refused, or read and dropped.
LITERALS: Final = {
    Stage.CLEAR: frozenset((b"ID",)),
    Stage.OPEN: frozenset((b"ID", b"LOGIN")),
    Stage.SECURED: frozenset((b"ID", b"LOGIN")),
}

# Legal verbs, but only once logged in (RFC 9051, 6.3 and 6.4, and common extensions).
LATER: Final = frozenset(
    b"""APPEND CHECK CLOSE COPY CREATE DELETE ENABLE EXAMINE EXPUNGE FETCH GETACL GETQUOTAROOT IDLE LIST LSUB MOVE
    NAMESPACE RENAME SEARCH SELECT SETACL SORT STATUS STORE SUBSCRIBE THREAD UID UNSELECT UNSUBSCRIBE""".split()
)
