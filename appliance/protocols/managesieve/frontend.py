"""ManageSieve, seen by a client until it is logged in: from the greeting to the hand-over. RFC 5804.

Pure. Must never take a literal's octets for commands, never answer for the store, and hold no secret once the session
is a relay.
"""

from __future__ import annotations

from typing import Final

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
from appliance.protocols.managesieve import commands, login, replies
from appliance.protocols.managesieve.client import Client, Handler, refuse
from appliance.protocols.managesieve.grammar import Malformed, read_text

_ANYWHERE: Final[dict[bytes, Handler]] = {
    b"CAPABILITY": commands.capability,
    b"NOOP": commands.noop,
    b"LOGOUT": commands.logout,
    b"STARTTLS": commands.start_tls,
    b"AUTHENTICATE": login.authenticate,
}
# What is legal: with no TLS, where none may log in without · with no TLS, from a network that may · in TLS.
CLEAR: Final[dict[bytes, Handler]] = _ANYWHERE | {b"AUTHENTICATE": login.tls_first}
OPEN: Final[dict[bytes, Handler]] = _ANYWHERE
SECURED: Final[dict[bytes, Handler]] = _ANYWHERE | {b"STARTTLS": commands.already_secured}

# Verbs that are legal later, once logged in (RFC 5804, 2.5 to 2.14).
LATER: Final = frozenset(
    b"""CHECKSCRIPT DELETESCRIPT GETSCRIPT HAVESPACE LISTSCRIPTS PUTSCRIPT RENAMESCRIPT SETACTIVE
    UNAUTHENTICATE""".split()
)
_LOGGED_IN: Final = Relay(replies.KICKED)  # one effect serves all sessions


def managesieve(door: Door) -> Conversation:
    """One client's conversation."""
    client = Client(door)
    yield client.offer()
    for _ in range(door.limits.preauth_commands):
        end = yield from _turn(client)
        if end is not None:
            if end is RELAY:
                yield _LOGGED_IN
            return
    yield Send(CLIENT, replies.TOO_MANY_COMMANDS)


def _legal(door: Door) -> dict[bytes, Handler]:
    if door.secured:
        return SECURED
    return OPEN if door.may_log_in_clear else CLEAR


def _turn(client: Client) -> Step[End | None]:
    """One command and its answer. Every secret lives in here, so that none is left when this returns."""
    try:
        text = yield from read_text(CLIENT)
        verb = text.partition(b" ")[0]
        handler = _legal(client.door).get(verb.upper())
        if handler is None:
            return (yield from refuse(b"Log in first" if verb.upper() in LATER else b"Unknown command"))
        return (yield from handler(client, text[len(verb) :]))
    except (Malformed, sasl.Malformed) as malformed:
        return (yield from refuse(str(malformed).encode()))
    except LineTooLong as long:
        raise Misspoken(long.side, "line too long", replies.LINE_TOO_LONG) from None
