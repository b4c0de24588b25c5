"""Who speaks to the node in several conversations, and what these share: an administrator's process, or the console's
SSH server that let it in.

Pure state; threads may share it. Must never hold a role: that is looked up at each request, so that who was demoted or
removed is so at once.
"""

from __future__ import annotations

import socket
import threading
from typing import Final

CONVERSATIONS: Final = 8  # at a time, of one process
TRIES: Final = 5  # wrong codes until the process is shown out


class Party:
    """All conversations of one who speaks: the first, and those that were opened on it."""

    def __init__(self, most: int) -> None:
        self.over = False  # shown out, or gone: its conversations end
        self._most = most
        self._links: set[socket.socket] = set()
        self._lock = threading.Lock()

    def add(self, link: socket.socket) -> bool:
        """One more conversation. False if there are too many, or they end."""
        with self._lock:
            if self.over or len(self._links) >= self._most:
                return False
            self._links.add(link)
            return True

    def discard(self, link: socket.socket) -> None:
        """A conversation ended."""
        with self._lock:
            self._links.discard(link)

    def end(self) -> None:
        """Show it out: nothing more is answered or told."""
        with self._lock:
            self.over = True
            for link in self._links:
                try:
                    link.shutdown(socket.SHUT_RDWR)
                except OSError:  # gone already
                    continue


class Entered(Party):
    """One process. `locked`: nothing but ConsoleWho, ConsoleCode and ConsoleOpen is answered."""

    def __init__(self, name: str, client: str, locked: bool = False, by_key: bool = False) -> None:
        super().__init__(CONVERSATIONS)
        self.name, self.client = name, client
        self.locked, self.by_key = locked, by_key
        self._wrong = 0

    def tried(self, right: bool) -> None:
        """A code was given. The right one unlocks; too many wrong ones are the end."""
        with self._lock:
            self._wrong = 0 if right else self._wrong + 1
            self.locked = self.locked and not right
            self.over = self.over or self._wrong >= TRIES
