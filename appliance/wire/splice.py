"""A direction between two clear sides, which moves bulk within the kernel: splice(2) through a pipe.

Pipes are lent for as long as bulk lasts, and few; without one the bulk is copied. Must never keep a pipe while idle,
nor return one that has octets in it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import Final

from appliance.wire.flow import LARGE, Flow
from appliance.wire.loop import READING

CAPACITY: Final = 1024 * 1024
PIPES: Final = 64  # for each worker, at most

_FLAGS: Final = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE
_splice = os.splice

Pipe = tuple[int, int]  # the ends to read from and to write to


class Pipes:
    """Empty pipes, for whoever has bulk to move."""

    def __init__(self) -> None:
        self._free: list[Pipe] = []
        self._made = 0

    def lend(self) -> Pipe | None:
        """An empty pipe, or None: all are lent."""
        if self._free:
            return self._free.pop()
        if self._made >= PIPES:
            return None
        try:
            pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        self._made += 1
        with suppress(OSError):  # above what the system allows this user: smaller, then
            fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, CAPACITY)
        return pipe

    def take_back(self, pipe: Pipe) -> None:
        """An empty one again."""
        self._free.append(pipe)

    def destroy(self, pipe: Pipe) -> None:
        """One with octets in it that nobody will ever get."""
        self._made -= 1
        for end in pipe:
            os.close(end)


pipes: Final = Pipes()


class SpliceFlow(Flow):
    """Moves bulk without looking at it."""

    __slots__ = ("held",)

    held: int  # octets in the pipe, once there is one

    def larger(self) -> None:
        """Take a pipe, if there is one."""
        self.pipe = pipes.lend()
        if self.pipe is not None:
            self.held = 0
            self.relay.shared.loop.handlers[self.fd] = self.spliced

    def spliced(self, events: int) -> None:
        """Move what is there; back to copying once it is little."""
        if events & ~READING or self.pipe is None:
            self.unusual(events)
            return
        try:
            size = _splice(self.fd, self.pipe[1], CAPACITY, flags=_FLAGS)
        except OSError as error:
            self.unreadable(error)
            return
        self.octets += size
        self.held = size
        self._pour()
        if self.relay.over:
            return
        if self.held:
            self.keep(b"")
        elif size < LARGE:
            self.let_go()
            self.relay.shared.loop.handlers[self.fd] = self.bulk
            if not size:
                self.end()

    def flush(self) -> None:
        """There is room again: first for what the pipe holds."""
        if self.pipe is not None and self.held:
            self._pour()
            if self.held or self.relay.over:
                return
        super().flush()

    def _pour(self) -> None:
        """From the pipe to the other side, as far as it goes."""
        assert self.pipe is not None
        try:
            while self.held:
                self.held -= _splice(self.pipe[0], self.to, self.held, flags=_FLAGS)
        except OSError as error:
            self.unwritable(error)

    def let_go(self) -> None:
        """Give the pipe back."""
        pipe, self.pipe = self.pipe, None
        if pipe is not None:
            if self.held:
                pipes.destroy(pipe)
            else:
                pipes.take_back(pipe)
