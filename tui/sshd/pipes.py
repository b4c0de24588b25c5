"""A command without a terminal: the octets of its three streams, all with back-pressure, and its exit status."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import asyncssh

CHUNK: Final = 64 * 1024
CLOSE_SECONDS: Final = 1.0


async def show(process: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process) -> None:
    """What the child writes on both streams, until it has closed them."""
    assert child.stdout is not None and child.stderr is not None
    await asyncio.gather(_pass(child.stdout, process.stdout), _pass(child.stderr, process.stderr))


async def _pass(from_: asyncio.StreamReader, to: asyncssh.SSHWriter[bytes]) -> None:
    while octets := await from_.read(CHUNK):
        to.write(octets)
        await to.drain()


async def feed(process: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process) -> None:
    """What the client sends, until it has no more to say, or the child does not listen any more."""
    assert child.stdin is not None
    try:
        while octets := await _next(process):
            child.stdin.write(octets)
            await child.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return
    child.stdin.close()


async def close(child: asyncio.subprocess.Process) -> None:
    """Of one that has ended: what nobody will read any more is read here, so that its pipes close."""
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    if not child.stdin.transport.is_closing():
        child.stdin.transport.abort()
    with suppress(TimeoutError, OSError):
        await asyncio.wait_for(asyncio.gather(child.stdout.read(), child.stderr.read()), CLOSE_SECONDS)


async def _next(process: asyncssh.SSHServerProcess[bytes]) -> bytes:
    while True:
        try:
            return await process.stdin.read(CHUNK)
        except (asyncssh.SignalReceived, asyncssh.BreakReceived, asyncssh.TerminalSizeChanged):
            continue  # OpenSSH's client sends none; who wants a command to end hangs up
