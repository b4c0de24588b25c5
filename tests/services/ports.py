"""Places on loopback where nothing listens yet, and waiting for something that should happen soon.

Each test that needs an address of its own takes another one of 127/8.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


_taken: set[tuple[str, int]] = set()  # the kernel may name one twice as long as nobody listens there


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port of `host` that was free a moment ago, another one each time."""
    while True:
        with socket.socket() as probe:
            probe.bind((host, 0))
            port: int = probe.getsockname()[1]
        if (host, port) not in _taken:
            _taken.add((host, port))
            return port


def eventually(ask: Callable[[], T], what: str, seconds: float = 15, pause: float = 0.05) -> T:
    """The first true answer of `ask`, which is asked again and again. Raises AssertionError naming `what`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {what} (last answer: {answer!r})"
        time.sleep(pause)


def answers(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True
