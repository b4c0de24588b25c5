"""What a client opens on its connection: a shell or command, or SFTP, which asyncssh would serve in its own way.

Its own way has no word for a client that goes in the middle of a file, so SFTP's streams are handed out here, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import asyncssh
from asyncssh.constants import EXTENDED_DATA_STDERR


class Streams(NamedTuple):
    """Of one SFTP session, or one with the old scp protocol."""

    channel: asyncssh.SSHServerChannel[bytes]
    stdin: asyncssh.SSHReader[bytes]
    stdout: asyncssh.SSHWriter[bytes]
    stderr: asyncssh.SSHWriter[bytes]


class House(Protocol):
    """Who serves sessions."""

    def attend(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """A shell or a command begins."""

    def transfer(self, streams: Streams) -> None:
        """SFTP begins."""


class Session(asyncssh.SSHServerProcess[bytes]):
    """One channel."""

    def __init__(self, house: House) -> None:
        attend: Callable[[asyncssh.SSHServerProcess[bytes]], object] = house.attend
        super().__init__(attend, None, 3, False)  # type: ignore[arg-type]
        self._house = house

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:  # type: ignore[override]
        """It is open."""
        super().connection_made(chan)
        self._streams = Streams(
            chan,
            asyncssh.SSHReader(self, chan),
            asyncssh.SSHWriter(self, chan),
            asyncssh.SSHWriter(self, chan, EXTENDED_DATA_STDERR),
        )

    def subsystem_requested(self, subsystem: str) -> bool:
        """There is one."""
        return subsystem == "sftp"

    def session_started(self) -> None:
        """The client has said what it wants."""
        if self._streams.channel.get_subsystem() is None:
            super().session_started()
        else:
            self._house.transfer(self._streams)
