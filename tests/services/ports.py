"""Places on loopback where nothing listens yet, and waiting for something that should happen soon.

Each test that needs an address of its own takes another one of 127/8.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")


FIRST: Final = 10_000  # below the range from which the kernel takes ports for connections going out
EACH: Final = 2_500  # for each of the processes that run tests side by side

_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_own = [FIRST + EACH * _process + (n + os.getpid()) % EACH for n in range(EACH)]  # where to begin: another one each run
_ports = itertools.cycle(_own)


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port of `host` that was free a moment ago, another one each time."""
    for port in itertools.islice(_ports, EACH):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            return port
    raise AssertionError(f"no port of {host} is free")


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
