"""A client before its log-in: what is remembered of it between commands, and the plain ways to answer it.

Pure. Must never hold a secret: it lives on while the session is a relay's to be.
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.protocols.conversation import CLIENT, Door, End, Send, Step
from appliance.protocols.imap.grammar import Command, Malformed


class Client:
    """What is known of a client."""

    __slots__ = ("asked", "door", "failures")

    def __init__(self, door: Door) -> None:
        self.door = door
        self.asked = False  # it sent CAPABILITY: then it wants an untagged line after log-in, too
        self.failures = 0

    @property
    def offer(self) -> tuple[bool, bool, frozenset[str]]:
        """STARTTLS now? Log-in now? What every store offers."""
        door = self.door
        return door.starttls and not door.secured, door.secured or door.may_log_in_clear, door.promised

    def forget(self) -> None:
        """TLS is on: what was said in the clear is void (RFC 9051, 6.2.1), but not failures, nor hops told."""
        self.asked = False


Handler = Callable[[Client, Command], Step[End | None]]  # carries out one verb


def bad(command: Command, words: bytes) -> Step[End | None]:
    """The answer to what cannot be obeyed."""
    yield Send(CLIENT, b"%b BAD %b\r\n" % (command.tag, words))
    return None


def done(command: Command, before: bytes = b"") -> Step[End | None]:
    """The answer to a command that is done; `before` are its untagged lines."""
    yield Send(CLIENT, b"%b%b OK Done\r\n" % (before, command.tag))
    return None


def expect_nothing(command: Command) -> None:
    """Raises Malformed if a command has arguments that takes none."""
    if command.segments != [b""]:
        raise Malformed("no arguments expected")
