"""The node as the handlers of requests see it: its home, its database to read, and the one way to change anything.

Must never be opened twice on one home: whoever makes a Node holds the home's lock. Every change is a log entry
(appliance/cluster): who, when, what, full rows and the revisions they were based on; done all or not at all.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from appliance.control.api import Done, Refused
from appliance.home import Home
from appliance.vault import Vault

if TYPE_CHECKING:
    from appliance.cluster.log import Entry, Op, Verdict
    from appliance.control.hub import Hub
    from db.objects import Objects


class By(msgspec.Struct, frozen=True):
    """Who asks: a name for the audit, where from, and what that one may do (viewer, operator, owner)."""

    name: str
    origin: str
    role: str = "owner"


class Node:
    """One node, opened by its only writer."""

    def __init__(self, home: Home, name: str, vault: Vault, hub: Hub | None = None) -> None:
        self.home = home
        self.name = name
        self.vault = vault
        self.hub = hub  # None: the node is stopped, and this process is a command
        self._lock = threading.Lock()
        self._local = threading.local()

    def reader(self) -> sqlite3.Connection:
        """This thread's read-only connection to config.db."""
        raise NotImplementedError

    def objects(self) -> Objects:
        """The configuration as it is now."""
        raise NotImplementedError

    def change(self, by: By, what: str, ops: Sequence[Op]) -> Done:
        """Make a change live: all of `ops` or nothing. `what` is the audit's sentence.

        Answers when every live worker has it (2 s at most; laggards are named in the note); value: {"revision": n}.
        Raises Refused when a row was changed by somebody else meanwhile, a port cannot be opened, the disk is full.
        """
        raise NotImplementedError

    def entry(self, by: By, what: str, kind: str) -> Entry:
        """A new entry with an id of its own, of this node, at this time: for imports, which fill in the rest."""
        raise NotImplementedError

    def submit(self, entries: Sequence[Entry]) -> list[Verdict]:
        """Append and apply entries in order, without telling the workers: for imports. Raises Refused (disk full)."""
        raise NotImplementedError

    def publish(self) -> str:
        """Tell the workers of what `submit` did. Empty, or a sentence naming those that have not answered in 2 s."""
        raise NotImplementedError


__all__ = ["By", "Node", "Refused"]
