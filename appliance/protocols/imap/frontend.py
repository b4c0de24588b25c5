"""IMAP, seen by a client until it is logged in: from the greeting to the hand-over. RFC 9051 and 3501, as rev1.

Pure. Must never take a literal's octets for commands, never answer for the store, and hold no secret once the session
is a relay.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from appliance.edge import sasl
from appliance.protocols.conversation import (
    CLIENT,
    RELAY,
    Conversation,
    Door,
    End,
    LineTooLong,
    Misspoken,
    Relay,
    Send,
    Step,
)
from appliance.protocols.imap import commands, login, replies
from appliance.protocols.imap.client import Client, Handler, bad
from appliance.protocols.imap.grammar import Malformed, command_of, read_literals
from appliance.protocols.lines import CLIENT_LINE


class Stage(NamedTuple):
    """How far a connection has come, and what is legal there; all other verbs are BAD."""

    verbs: dict[bytes, Handler]
    literals: frozenset[bytes]  # the verbs whose literals are taken; those of others are refused, or read and dropped


_ANYWHERE: Final[dict[bytes, Handler]] = {
    b"CAPABILITY": commands.capability,
    b"NOOP": commands.noop,
    b"LOGOUT": commands.logout,
    b"ID": commands.identify,
}
_LOG_IN: Final[dict[bytes, Handler]] = {b"LOGIN": login.login, b"AUTHENTICATE": login.authenticate}
_TLS_FIRST: Final[dict[bytes, Handler]] = {b"LOGIN": login.tls_first, b"AUTHENTICATE": login.tls_first}

# No TLS, and none may log in without · no TLS, from a network that may do without · TLS.
CLEAR: Final = Stage(_ANYWHERE | {b"STARTTLS": commands.start_tls} | _TLS_FIRST, frozenset({b"ID"}))
OPEN: Final = Stage(_ANYWHERE | {b"STARTTLS": commands.start_tls} | _LOG_IN, frozenset({b"ID", b"LOGIN"}))
SECURED: Final = Stage(_ANYWHERE | {b"STARTTLS": commands.already_secured} | _LOG_IN, frozenset({b"ID", b"LOGIN"}))

# Verbs that are legal later, once logged in (RFC 9051, 6.3 and 6.4, and common extensions).
LATER: Final = frozenset(
    b"""APPEND CHECK CLOSE COPY CREATE DELETE ENABLE EXAMINE EXPUNGE FETCH GETACL GETQUOTAROOT IDLE LIST LSUB MOVE
    NAMESPACE RENAME SEARCH SELECT SETACL SORT STATUS STORE SUBSCRIBE THREAD UID UNSELECT UNSUBSCRIBE""".split()
)
_LOGGED_IN: Final = Relay(replies.KICKED)  # one effect serves all sessions, as does each greeting


def imap(door: Door) -> Conversation:
    """One client's conversation."""
    client = Client(door)
    yield _greeting(door.hostname, *client.offer)
    for _ in range(door.limits.preauth_commands):
        end = yield from _turn(client)
        if end is not None:
            if end is RELAY:
                yield _LOGGED_IN
            return
    yield Send(CLIENT, replies.TOO_MANY_COMMANDS)


@lru_cache(64)
def _greeting(hostname: str, starttls: bool, may_log_in: bool, promised: frozenset[str]) -> Send:
    return Send(CLIENT, replies.greeting(hostname, starttls, may_log_in, promised))


def _stage(door: Door) -> Stage:
    if door.secured:
        return SECURED
    return OPEN if door.may_log_in_clear else CLEAR


def _unexpected(verb: bytes) -> bytes:
    return b"Log in first" if verb in LATER else b"Unknown command"


def _turn(client: Client) -> Step[End | None]:
    """One command and its answer. Every secret lives in here, so that none is left when this returns."""
    stage = _stage(client.door)
    try:
        command = command_of((yield CLIENT_LINE))
        if command.literal is not None:
            yield from read_literals(command, command.verb in stage.literals)
        handler = stage.verbs.get(command.verb)
        if command.fault or handler is None:
            return (yield from bad(command, command.fault or _unexpected(command.verb)))
        return (yield from handler(client, command))
    except (Malformed, sasl.Malformed) as malformed:
        return (yield from bad(command, str(malformed).encode()))
    except LineTooLong as long:
        raise Misspoken(long.side, "line too long", replies.LINE_TOO_LONG) from None
