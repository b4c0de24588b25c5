"""POP3, seen by a client until it is logged in: from the greeting to the hand-over. RFC 1939 and 2449.

Pure. Must never answer for the store, and hold no secret once the session is a relay.
"""

from __future__ import annotations

from functools import lru_cache
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
from appliance.protocols.lines import CLIENT_LINE
from appliance.protocols.pop3 import commands, login, replies
from appliance.protocols.pop3.client import Client, Handler, bad
from appliance.protocols.pop3.grammar import Malformed, command_of

_ANYWHERE: Final[dict[bytes, Handler]] = {
    b"CAPA": commands.capability,
    b"QUIT": commands.quit_,
    b"AUTH": login.authenticate,
}
_LOG_IN: Final[dict[bytes, Handler]] = {b"USER": commands.user, b"PASS": login.password}
_TLS_FIRST: Final[dict[bytes, Handler]] = {b"USER": login.tls_first, b"PASS": login.tls_first}

# What is legal, all other verbs are errors (NOOP, too: RFC 1939, 5), where there is no TLS, and none may log in
# without · no TLS, at a network that may do without · TLS.
CLEAR: Final = _ANYWHERE | {b"STLS": commands.start_tls} | _TLS_FIRST
OPEN: Final = _ANYWHERE | {b"STLS": commands.start_tls} | _LOG_IN
SECURED: Final = _ANYWHERE | {b"STLS": commands.already_secured} | _LOG_IN

# Verbs that are legal later, once logged in (RFC 1939, 5 and 7).
LATER: Final = frozenset((b"STAT", b"LIST", b"RETR", b"DELE", b"NOOP", b"RSET", b"TOP", b"UIDL"))
_LOGGED_IN: Final = Relay(replies.KICKED)  # one effect serves all sessions, as does each greeting


def pop3(door: Door) -> Conversation:
    """One client's conversation."""
    client = Client(door)
    yield _greeting(door.hostname)
    for _ in range(door.limits.preauth_commands):
        end = yield from _turn(client)
        if end is not None:
            if end is RELAY:
                yield _LOGGED_IN
            return
    yield Send(CLIENT, replies.TOO_MANY_COMMANDS)


@lru_cache(64)
def _greeting(hostname: str) -> Send:
    return Send(CLIENT, replies.greeting(hostname))


def _stage(door: Door) -> dict[bytes, Handler]:
    if door.secured:
        return SECURED
    return OPEN if door.may_log_in_clear else CLEAR


def _turn(client: Client) -> Step[End | None]:
    """One command and its answer. Every secret lives in here, so that none is left when this returns."""
    try:
        verb, argument = command_of((yield CLIENT_LINE))
        handler = _stage(client.door).get(verb)
        if handler is None:
            return (yield from bad("Log in first" if verb in LATER else "Unknown command"))
        return (yield from handler(client, argument))
    except (Malformed, sasl.Malformed) as malformed:
        return (yield from bad(str(malformed)))
    except LineTooLong as long:
        raise Misspoken(long.side, "line too long", replies.LINE_TOO_LONG) from None
