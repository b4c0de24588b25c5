"""The commands that need no log-in: CAPABILITY, NOOP, LOGOUT, ID (RFC 2971), STARTTLS.

Pure. Must never believe what a client says of itself, nor let what it said in the clear live on in TLS.
"""

from __future__ import annotations

from appliance.protocols.conversation import CLIENT, CLOSE, End, Secure, Send, Step
from appliance.protocols.imap import replies
from appliance.protocols.imap.client import Client, bad, done, expect_nothing
from appliance.protocols.imap.grammar import Command, id_arguments


def capability(client: Client, command: Command) -> Step[End | None]:
    """RFC 9051, 6.1.1."""
    expect_nothing(command)
    client.asked = True
    return (yield from done(command, replies.capability_line(*client.offer)))


def noop(client: Client, command: Command) -> Step[End | None]:
    """RFC 9051, 6.1.2."""
    expect_nothing(command)
    return (yield from done(command))


def logout(client: Client, command: Command) -> Step[End | None]:
    """RFC 9051, 6.1.3."""
    expect_nothing(command)
    yield from done(command, replies.LOGGED_OUT)
    return CLOSE


def identify(client: Client, command: Command) -> Step[End | None]:
    """ID, in any state. Of what it says only the hop count is believed: it can only shorten."""
    hops = id_arguments(command.segments).get(b"x-proxy-ttl", b"")
    if hops.isdigit() and len(hops) < 4:
        client.door.ttl = min(client.door.ttl, int(hops))
    return (yield from done(command, replies.ID))


def start_tls(client: Client, command: Command) -> Step[End | None]:
    """RFC 9051, 6.2.1. What came behind the line in the clear is an injection; the wire ends the session for it."""
    if not client.door.starttls:
        return (yield from bad(command, b"STARTTLS is not available"))
    expect_nothing(command)
    yield Send(CLIENT, command.tag + b" OK Begin TLS\r\n")
    yield Secure(CLIENT)
    client.forget()
    return None


def already_secured(client: Client, command: Command) -> Step[End | None]:
    """STARTTLS within TLS."""
    return (yield from bad(command, b"TLS is on already"))
