"""A pseudo-terminal for one child, and the octets between it and the client, both ways with back-pressure.

What the client does not read is not taken from the child: it waits, and nobody else does (RFC 4254, 6.2 and 6.7).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import asyncssh

CHUNK: Final = 32 * 1024
MOST_CELLS: Final = 1000  # in a row, and in a column
# What a console may have switched on and, killed, not off: alternate screen, mouse, focus, pasting, hidden cursor.
RESTORE: Final = b"\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?25h\x1b[0m"
KEYS: Final = {"INT": b"\x03", "QUIT": b"\x1c"}  # signals of the client that a terminal has keys for
END: Final = b"\x04"  # Ctrl+D


class Terminal:
    """Both ends of it; `childs` is for the child alone, and closed here once that has it."""

    def __init__(self, process: asyncssh.SSHServerProcess[bytes], idle: float) -> None:
        self._process = process
        self._idle = idle
        self._ours, self.childs = os.openpty()
        os.set_blocking(self._ours, False)
        self._resize(*process.term_size[:2])

    def given_away(self) -> None:
        """The child has its end."""
        os.close(self.childs)

    def close(self) -> None:
        """Gone: whoever is left on it is hung up on."""
        os.close(self._ours)

    async def show(self) -> None:
        """What the child writes, until it closes its end."""
        loop = asyncio.get_running_loop()
        while True:
            await self._until(loop.add_reader, loop.remove_reader)
            try:
                octets = os.read(self._ours, CHUNK)
            except BlockingIOError:
                continue
            except OSError:  # EIO: nobody has it open any more
                return
            self._process.stdout.write(octets)
            await self._process.stdout.drain()

    async def type(self) -> None:
        """What the client types. Returns when it has typed nothing for too long, never because it will say no more."""
        while True:
            try:
                octets = await asyncio.wait_for(self._process.stdin.read(CHUNK), self._idle)
            except TimeoutError:
                return
            except asyncssh.TerminalSizeChanged as size:
                self._resize(size.width, size.height)
                continue
            except asyncssh.SignalReceived as received:
                octets = KEYS.get(received.signal, b"")
            except asyncssh.BreakReceived:
                continue
            if not octets and self._process.stdin.at_eof():
                await self._write(END)
                await asyncio.Event().wait()  # whoever waits for us cancels us
            await self._write(octets)

    async def _write(self, octets: bytes) -> None:
        loop = asyncio.get_running_loop()
        while octets:
            try:
                octets = octets[os.write(self._ours, octets) :]
            except BlockingIOError:  # the child does not read
                await self._until(loop.add_writer, loop.remove_writer)
            except OSError:
                return

    async def _until(self, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
        """Until our end is readable, or writable."""
        ready = asyncio.get_running_loop().create_future()
        add(self._ours, _set, ready)
        try:
            await ready
        finally:
            remove(self._ours)

    def _resize(self, width: int, height: int) -> None:
        columns, rows = (min(size, MOST_CELLS) or known for size, known in ((width, 80), (height, 24)))
        with suppress(OSError):
            fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
