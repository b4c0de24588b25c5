"""A client before its log-in: what is remembered of it between commands, and the plain ways to answer it.

Pure. Must never hold a secret: it lives on while the session is a relay's to be.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from appliance.protocols.conversation import CLIENT, Door, End, Send, Step
from appliance.protocols.managesieve.grammar import Malformed
from appliance.protocols.managesieve.replies import capabilities, no


class Client:
    """What is known of a client. What it said in the clear is void in TLS (RFC 5804, 2.2): so nothing of it is kept."""

    __slots__ = ("door", "failures")

    def __init__(self, door: Door) -> None:
        self.door = door
        self.failures = 0

    def offer(self) -> Send:
        """What it may do now."""
        door = self.door
        may_log_in = door.secured or door.may_log_in_clear
        return _offer(door.hostname, door.starttls and not door.secured, may_log_in, door.promised)


@lru_cache(64)
def _offer(hostname: str, starttls: bool, may_log_in: bool, promised: frozenset[str]) -> Send:
    """One effect serves all sessions."""
    return Send(CLIENT, capabilities(hostname, starttls, may_log_in, promised))


Handler = Callable[[Client, bytes], Step[End | None]]  # carries out one verb, given its arguments


def answer(line: bytes) -> Step[End | None]:
    """The answer to a command that changes nothing."""
    yield Send(CLIENT, line)
    return None


def refuse(words: bytes) -> Step[End | None]:
    """The answer to what cannot be obeyed."""
    return answer(no(b"", words))


def expect_nothing(arguments: bytes) -> None:
    """Raises Malformed if a command has arguments that takes none."""
    if arguments.strip(b" "):
        raise Malformed("no arguments expected")
