"""The commands that need no log-in: CAPABILITY, NOOP, LOGOUT, STARTTLS (RFC 5804, 2.2 to 2.4 and 2.13).

Pure. Must never let what a client said in the clear live on in TLS.
"""

from __future__ import annotations

from appliance.protocols.conversation import CLIENT, CLOSE, End, Secure, Send, Step
from appliance.protocols.managesieve import replies
from appliance.protocols.managesieve.client import Client, answer, expect_nothing, refuse
from appliance.protocols.managesieve.grammar import Malformed, string, strings


def capability(client: Client, arguments: bytes) -> Step[End | None]:
    """RFC 5804, 2.4."""
    expect_nothing(arguments)
    yield client.offer()
    return None


def noop(client: Client, arguments: bytes) -> Step[End | None]:
    """RFC 5804, 2.13: what it is given comes back, so that a client can tell which answer is whose."""
    tags = strings(arguments)
    if len(tags) > 1:
        raise Malformed("one tag at most")
    done = b'OK (TAG %b) "Done"\r\n' % string(tags[0], CLIENT) if tags else replies.DONE
    return (yield from answer(done))


def logout(client: Client, arguments: bytes) -> Step[End | None]:
    """RFC 5804, 2.3."""
    expect_nothing(arguments)
    yield Send(CLIENT, replies.LOGGED_OUT)
    return CLOSE


def start_tls(client: Client, arguments: bytes) -> Step[End | None]:
    """RFC 5804, 2.2: what is offered is told again unasked. Octets behind the line in the clear are an injection; the
    wire ends the session for them.
    """
    if not client.door.starttls:
        return (yield from refuse(b"STARTTLS is not available"))
    expect_nothing(arguments)
    yield Send(CLIENT, replies.BEGIN_TLS)
    yield Secure(CLIENT)
    yield client.offer()
    return None


def already_secured(client: Client, arguments: bytes) -> Step[End | None]:
    """STARTTLS within TLS."""
    return (yield from refuse(b"TLS is on already"))
