"""A terminal that a program runs on: what it sends, octet by octet, and the screen that comes of it (pyte)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import pyte

PATIENCE = 8.0  # seconds


class Terminal:
    """One program on a pseudo-terminal of its own; ended with the `with`."""

    def __init__(self, command: Sequence[str], size: tuple[int, int] = (80, 24), **environment: str) -> None:
        self.sent = bytearray()
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        settings = {"TERM": "xterm-256color", "COLORTERM": "truecolor", **keep, **environment}
        self.began = time.monotonic()
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=settings,
                                        start_new_session=True)  # fmt: skip
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)
        os.close(self._ours)

    def read(self, seconds: float) -> int:
        """What comes within this time; how many octets."""
        before, deadline = len(self.sent), time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and select.select([self._ours], [], [], left)[0]:
            try:
                octets = os.read(self._ours, 65536)
            except OSError:  # it ended
                break
            self.sent += octets
            with contextlib.suppress(TypeError):  # pyte knows not all that Textual asks a terminal
                self._stream.feed(octets)
        return len(self.sent) - before

    def text(self) -> str:
        """The screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, true: Callable[[], Any], what: str) -> float:
        """Wait for something; the seconds since the start."""
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, f"never: {what}\n{self.text()}"
            self.read(0.02)
        return time.monotonic() - self.began

    def sees(self, *texts: str) -> float:
        """All of these are to be read; the seconds since the start."""
        return self.until(lambda: all(text in self.text() for text in texts), f"{texts} on screen")

    def press(self, keys: str) -> None:
        """As typed."""
        os.write(self._ours, keys.encode())


def console(node: str, size: tuple[int, int] = (80, 24), **environment: str) -> Terminal:
    """The console over the node that the function `node` ("module:name") makes, in a process of its own."""
    module, _, name = node.partition(":")
    program = f"import sys; from tui.app import main; from {module} import {name}; sys.exit(main({name}().connect))"
    return Terminal([sys.executable, "-c", program], size, **environment)
