"""The commands that need no log-in: CAPA (RFC 2449), QUIT (RFC 1939), STLS (RFC 2595), USER.

Pure. Must never tell whether a user exists, nor let what a client said in the clear live on in TLS.
"""

from __future__ import annotations

from appliance.protocols.conversation import CLIENT, CLOSE, End, Secure, Send, Step
from appliance.protocols.pop3 import replies
from appliance.protocols.pop3.client import Client, answer, bad

_NAMED = Send(CLIENT, replies.USER)


def capability(client: Client, _argument: bytes) -> Step[End | None]:
    """RFC 2449, 5. Arguments are for later versions of it."""
    door = client.door
    return answer(replies.capability(door.starttls and not door.secured, client.may_log_in, door.promised))


def quit_(_client: Client, _argument: bytes) -> Step[End | None]:
    """RFC 1939, 4: without a log-in there is nothing to update."""
    yield Send(CLIENT, replies.LOGGED_OUT)
    return CLOSE


def user(client: Client, argument: bytes) -> Step[End | None]:
    """RFC 1939, 7. Whoever it is: the password decides."""
    if not argument:
        return (yield from bad("USER needs a name"))
    client.user = argument
    yield _NAMED
    return None


def start_tls(client: Client, argument: bytes) -> Step[End | None]:
    """RFC 2595, 4. What came behind the line in the clear is an injection; the wire ends the session for it."""
    if not client.door.starttls:
        return (yield from bad("STLS is not available"))
    if argument:
        return (yield from bad("no arguments expected"))
    yield Send(CLIENT, replies.BEGIN_TLS)
    yield Secure(CLIENT)
    client.forget()
    return None


def already_secured(_client: Client, _argument: bytes) -> Step[End | None]:
    """STLS within TLS."""
    return bad("TLS is on already")
