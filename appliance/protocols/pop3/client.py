"""A client before its log-in: what is remembered of it between commands, and the plain ways to answer it.

Pure. Must never hold a secret: it lives on while the session is a relay's to be.
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.protocols.conversation import CLIENT, Door, End, Send, Step


class Client:
    """What is known of a client."""

    __slots__ = ("door", "failures", "user")

    def __init__(self, door: Door) -> None:
        self.door = door
        self.user: bytes | None = None  # the name that it gave by USER, and not used yet
        self.failures = 0

    @property
    def may_log_in(self) -> bool:
        """Whether it may log in now."""
        return self.door.secured or self.door.may_log_in_clear

    def forget(self) -> None:
        """TLS is on: what was said in the clear is void (RFC 2595, 4), but not how often it failed."""
        self.user = None


Handler = Callable[[Client, bytes], Step[End | None]]  # carries out one verb, given its argument


def answer(words: bytes) -> Step[End | None]:
    """A whole answer, its line endings included."""
    yield Send(CLIENT, words)
    return None


def bad(words: str) -> Step[End | None]:
    """The answer to what cannot be obeyed."""
    return answer(b"-ERR %b\r\n" % words.encode())
