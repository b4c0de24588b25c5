"""The node as the handlers of requests see it: its home, its database to read, and the one way to change anything.

Must never be opened twice on one home: whoever makes a Node holds the home's lock. Every change is a log entry
(appliance/cluster): who, when, what, full rows and the revisions they were based on; done all or not at all.
"""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from appliance.cluster.applier import Verdict
from appliance.cluster.log import Entry, Op, UpgradeNeeded, change, new_id
from appliance.cluster.writer import Behind, Writer
from appliance.control.api import Done, Refused
from appliance.control.door import Door
from appliance.control.entered import Entered, Party
from appliance.home import Home
from appliance.messages import ListenerSpec
from appliance.routing.services import listening
from appliance.terms import Service
from appliance.vault import Vault
from db import meta
from db.connect import reader, writer
from db.objects import Objects, read_objects

if TYPE_CHECKING:  # a command on a stopped node needs no event loop
    from appliance.control.hub import Hub
    from appliance.control.lookout import Lookout
    from appliance.control.trial import Trials

LISTENING: Final = frozenset(Service) | {"node"}  # kinds whose change may move a listener


class By(msgspec.Struct, frozen=True):
    """Who asks: a name for the audit, where from, and what that one may do (viewer, operator, owner).

    `entered`: an administrator, let in by the console; `lets_in`: who may let administrators in, and `party`: all
    conversations of that one.
    """

    name: str
    origin: str
    role: str = "owner"
    lets_in: bool = False
    entered: Entered | None = None
    party: Party | None = None


class Consoles(Protocol):
    """The administrators' processes that speak to a node that is up, and the server that lets them in."""

    def converse(self, party: Party, connection: socket.socket) -> None:
        """One more conversation with this one. Raises Refused where there are too many."""

    def processes(self) -> Collection[Entered]:
        """Those that have a conversation open."""

    def look_again(self) -> None:
        """Administrators changed: who is none any more is shown out."""


class Around(Protocol):
    """What runs around the database of a node that is up."""

    def possible(self, listeners: Sequence[ListenerSpec]) -> list[str]:
        """Which of these cannot be opened, and why."""

    def no_metrics(self) -> list[str]:
        """Where figures should be served and cannot be now, and why."""

    def changed(self, revision: int, listeners: bool) -> list[str]:
        """The configuration changed, with `listeners` their addresses too. What of it cannot be had now, and why."""


class Node:
    """One node, opened by its only writer. Threads may share it."""

    def __init__(self, home: Home, name: str, vault: Vault, connection: sqlite3.Connection) -> None:
        self.home = home
        self.name = name
        self.vault = vault
        self.hub: Hub | None = None  # None: the node is stopped, and this process is a command
        self.around: Around | None = None
        self.lookout: Lookout | None = None
        self.consoles: Consoles | None = None
        self.door = Door(home.node_db)
        self.trials: Trials | None = None
        self._connection = connection
        self._writer = Writer(connection)
        self._lock = threading.RLock()
        self._local = threading.local()

    @classmethod
    def open(cls, home: Home) -> Node:
        """The node of a home whose lock is held; applies what its log has and the database has not. Raises Refused."""
        with _opening(home.secret_key):
            vault = Vault.load(home.secret_key)
        with _opening(home.node_db), contextlib.closing(reader(home.node_db)) as own:
            name = meta.node_name(own)
        with _opening(home.config_db):
            node = cls(home, name, vault, writer(home.config_db))
            node._writer.catch_up()
        return node

    def close(self) -> None:
        """Let go of the database."""
        self.close_reader()
        with self._lock:
            self._connection.close()

    # --- reading ----------------------------------------------------------------------------------------------

    def reader(self) -> sqlite3.Connection:
        """This thread's read-only connection to config.db."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = reader(self.home.config_db)
        return connection

    def close_reader(self) -> None:
        """This thread reads no more."""
        connection: sqlite3.Connection | None = self._local.__dict__.pop("connection", None)
        if connection is not None:
            connection.close()

    def objects(self) -> Objects:
        """The configuration as it is now."""
        return read_objects(self.reader())

    # --- changing ---------------------------------------------------------------------------------------------

    def change(self, by: By, what: str, ops: Sequence[Op]) -> Done:
        """Make a change live: all of `ops` or nothing. `what` is the audit's sentence.

        Answers when every live worker has it (2 s at most; laggards are named in the note); value: {"revision": n}.
        Raises Refused when a row was changed by somebody else meanwhile, a port cannot be opened, the disk is full.
        """
        kinds = {op.key["kind"] for op in ops if op.table == "object"}
        if kinds & LISTENING:
            self._check_listeners(ops)
        (verdict,) = self.submit([change(self.name, by.name, by.origin, what, ops)])
        if not verdict.done:
            raise Refused(f"not done: {verdict.conflict}", 1, {"conflict": verdict.conflict})
        if self.consoles is not None and any(op.table == "admin" for op in ops):
            self.consoles.look_again()
        note = self.publish(certificates="certificate" in kinds, listeners=bool(kinds & LISTENING))
        return Done({"revision": verdict.revision}, note)

    def entry(self, by: By, what: str, **fields: Any) -> Entry:
        """A new entry of this node, made now; `fields` as appliance.cluster.log.Entry: for imports."""
        now = time.time()
        return Entry(id=new_id(self.name, now), by=by.name, origin=by.origin, at=now, what=what, **fields)

    def submit(self, entries: Sequence[Entry]) -> list[Verdict]:
        """Append and apply entries in order, without telling the workers: for imports. Raises Refused (disk full)."""
        try:
            with self._lock:
                return self._writer.submit_many(entries)
        except ValueError as error:
            raise Refused(f"not done: {error}") from error
        except sqlite3.Error as error:
            raise Refused(f"not done: {_storage(error, self.home.path)}; nothing was changed") from error

    def publish(self, *, certificates: bool = False, listeners: bool = False) -> str:
        """Tell the workers of what was changed. Empty, or a sentence naming what or who does not follow."""
        revision = meta.revision(self.reader())
        notes = []
        if self.hub is not None and (laggards := self.hub.publish(revision, certificates)):
            notes.append(f"done, but not yet in use by: {', '.join(laggards)}")
        if self.around is not None:
            notes += self.around.changed(revision, listeners)
        return "; ".join(notes)

    def tidy(self) -> int:
        """Delete a piece of what nothing refers to any more; how many rows. Raises sqlite3.Error."""
        with self._lock:
            return self._writer.tidy(time.time())

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[sqlite3.Connection]:
        """The writer's connection, while no change can happen: for `restore` alone, which replaces everything."""
        with self._lock:
            yield self._connection
            self._writer = Writer(self._connection)
            self._writer.catch_up()

    def _check_listeners(self, ops: Sequence[Op]) -> None:
        if self.around is None:
            return
        now = self.objects()
        wanted = [spec for spec in listening(after(now, ops), self.name) if spec not in listening(now, self.name)]
        if problems := self.around.possible(wanted):
            raise Refused(f"not done: {'; '.join(problems)}", 1, {"problems": problems})


REMEDIES: Final = {
    "secret.key": "`tar -xf BACKUP -C {home} secret.key` takes it out of a backup",
    "node.db": "move it away, and `postern init --node NAME` makes a new one",
    "config.db": "move it away with config.db-wal, and `postern restore BACKUP` loads a backup",
}


@contextlib.contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except (UpgradeNeeded, Behind) as error:
        raise Refused(f"cannot open {path}: {error}") from error
    except PermissionError as error:
        raise Refused(f"cannot open {path}: {error.strerror}") from error
    except (OSError, ValueError, sqlite3.Error) as error:
        why = (error.strerror if isinstance(error, OSError) else error) if path.exists() else "it is missing"
        raise Refused(f"cannot open {path}: {why}; {REMEDIES[path.name].format(home=path.parent)}") from error


def after(objects: Objects, ops: Sequence[Op]) -> Objects:
    """The configuration as these would make it."""
    bodies = objects.bodies()
    for op in ops:
        if op.table == "object":
            key = (op.key["kind"], op.key["name"])
            bodies.pop(key, None)
            if op.row is not None:
                bodies[key] = op.row["body"]
    return Objects(objects.revision, {key: (body, 0) for key, body in bodies.items()})


def _storage(error: sqlite3.Error, home: Path) -> str:
    """What the disk did, in words (a limit on file sizes is told as an I/O error)."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return f"the disk that holds {home} is full or failing ({error})"
    return f"the database refused ({error})"


__all__ = ["Around", "By", "Node", "Refused", "after"]
