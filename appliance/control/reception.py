"""HOME/control.sock: who may speak, and the answers; each conversation in a thread of its own.

Administrators whom the console lets in speak on sockets that it hands over; their role is looked up at each request.
Their processes have the console's user: that one is taken one connection at a time, the SSH server's for its life.
Must never take more than it bounds: CONVERSATIONS at a time, of these ENTERED with consoles. A client that goes away
ends what it asked for at its next reply; one that does not read stops it, for STALLED seconds at most.
"""

from __future__ import annotations

import contextlib
import grp
import logging
import os
import pwd
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from msgspec.structs import replace

from appliance.control.api import Failed, Refused, Reply
from appliance.control.commands import answer
from appliance.control.entered import Entered, Party
from appliance.control.incoming import Requests, Unacceptable, decode
from appliance.control.node import By, Node
from appliance.packets import peer_of
from db import admins

CONVERSATIONS: Final = 128
ENTERED: Final = 96  # the rest is for this machine's own commands, whatever consoles do
OPENED: Final = 16  # on one connection to the socket, with itself
STALLED: Final = 600.0  # `postern log tail | less` may wait for its reader, but not for ever
GROUP: Final = "postern-admin"
CONSOLE: Final = "postern-console"  # the user of the console's SSH server: in GROUP to reach the socket, no more
NO_ADMINISTRATOR: Final = "no administrator"

log = logging.getLogger("postern.control")
_encode: Final = msgspec.json.Encoder().encode


class Gone(Exception):  # noqa: N818
    """Who speaks is no administrator any more: one sentence."""


class Caller(Party):
    """One connection to the socket itself, and what is opened on it."""

    def __init__(self, by: By, first: socket.socket) -> None:
        super().__init__(OPENED)
        self.by, self.first = replace(by, party=self), first
        self.name = by.name
        self.has_rival = False  # another process of its user came, and was refused
        self.add(first)


class Reception:
    """Listens, and starts a conversation with each client."""

    def __init__(self, node: Node, path: Path) -> None:
        self._node = node
        self._path = path
        self._owner = node.home.path.stat().st_uid
        self._free = threading.BoundedSemaphore(CONVERSATIONS)
        self._free_entered = threading.BoundedSemaphore(ENTERED)
        self._open: dict[socket.socket, Caller | Entered] = {}
        self._console: Caller | None = None  # the one connection of the console's user; of the accepting thread
        path.unlink(missing_ok=True)  # of a controller that died: we hold the home's lock
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        path.chmod(0o660)
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
        self._server.listen(2 * CONVERSATIONS)
        self._server.setblocking(False)

    def fileno(self) -> int:
        """Readable: call `accept`."""
        return self._server.fileno()

    def accept(self) -> None:
        """Start the conversation with one more client."""
        try:
            connection, _ = self._server.accept()
        except OSError:  # gone already, or no descriptor is free: it asks again
            return
        connection.setblocking(True)
        by = self._who(connection)
        if by is None:
            self._turn_away(connection, f"not root, nor the owner of this home, nor in the group {GROUP}")
        elif by.role == NO_ADMINISTRATOR and self._console is not None and not self._console.over:
            self._refuse_rival(connection, self._console)
        elif not self._free.acquire(blocking=False):
            self._turn_away(connection, f"{CONVERSATIONS} conversations with this node are open already")
        else:
            caller = Caller(by, connection)
            if by.role == NO_ADMINISTRATOR:
                self._console = caller
            self._start(connection, caller)

    def close(self) -> None:
        """Stop listening and end all conversations."""
        self._server.close()
        self._path.unlink(missing_ok=True)
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    # --- more conversations, and administrators whom the console let in, from any thread --------------------------

    def converse(self, party: Party, connection: socket.socket) -> None:
        """See appliance.control.node.Consoles."""
        assert isinstance(party, Caller | Entered)
        if not party.add(connection):
            raise Refused("this console has too many conversations with the node open already")
        if isinstance(party, Entered) and not self._free_entered.acquire(blocking=False):
            party.discard(connection)
            raise Refused(f"{ENTERED} conversations of consoles are open already: close a console that is not used")
        if not self._free.acquire(blocking=False):
            if isinstance(party, Entered):
                self._free_entered.release()
            party.discard(connection)
            raise Refused(f"{CONVERSATIONS} conversations with this node are open already")
        self._start(connection, party)

    def processes(self) -> set[Entered]:
        """See appliance.control.node.Consoles."""
        return {one for one in list(self._open.values()) if isinstance(one, Entered)}

    def look_again(self) -> None:
        """See appliance.control.node.Consoles."""
        for entered in self.processes():
            if not admins.role(self._node.reader(), entered.name):
                entered.end()

    # --- who speaks ---------------------------------------------------------------------------------------------

    def _who(self, connection: socket.socket) -> By | None:
        _, uid, gid = peer_of(connection)
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = f"uid {uid}"
        if uid in (0, self._owner):
            return By(name, "control socket", lets_in=True)
        if name == CONSOLE:
            return By(name, "control socket", NO_ADMINISTRATOR, lets_in=True)
        return By(name, "control socket") if _in_group(name, gid) else None

    def _by(self, who: Caller | Entered) -> By:
        """Who asks this time. Raises Gone."""
        if isinstance(who, Caller):
            if who.over:
                raise Gone("the conversation on which this one was opened has ended")
            return who.by
        try:
            role = admins.role(self._node.reader(), who.name)
        except sqlite3.Error as error:
            raise Gone(f"who {who.name} is cannot be looked up: {error}") from error
        if who.over or not role:
            who.end()
            raise Gone(f"{who.name} may not use this node any more")
        return By(who.name, f"ssh {who.client}", role, entered=who)

    def _refuse_rival(self, connection: socket.socket, console: Caller) -> None:
        if not console.has_rival:  # told once: it may try as often as it can
            log.warning("%s: a second process wants to ask who administrators are, and is refused", CONSOLE)
            console.has_rival = True
        self._turn_away(connection, f"another process of {CONSOLE} speaks to the node, and only one may")

    def _turn_away(self, connection: socket.socket, why: str) -> None:
        with connection, contextlib.suppress(OSError):
            connection.setblocking(False)
            connection.send(_encode(Failed(why)) + b"\n")

    # --- conversations ------------------------------------------------------------------------------------------

    def _start(self, connection: socket.socket, who: Caller | Entered) -> None:
        self._open[connection] = who
        threading.Thread(target=self._converse, args=(connection, who), name=who.name, daemon=True).start()

    def _converse(self, connection: socket.socket, who: Caller | Entered) -> None:
        requests = Requests(connection)
        try:
            for line, file in requests:
                with file or contextlib.nullcontext():
                    self._answer(connection, self._by(who), line, file)
                if isinstance(who, Entered) and who.over:
                    break
        except (Unacceptable, Gone) as error:
            self._turn_away(connection, str(error))
        except OSError:  # it went away: its generator is closed by now
            pass
        finally:
            requests.close()
            self._ended(connection, who)

    def _ended(self, connection: socket.socket, who: Caller | Entered) -> None:
        del self._open[connection]
        who.discard(connection)
        if who.over or (isinstance(who, Caller) and connection is who.first):
            who.end()
        if isinstance(who, Entered):
            self._free_entered.release()
        connection.close()
        self._node.close_reader()
        self._free.release()

    def _answer(self, connection: socket.socket, by: By, line: bytes, file: BinaryIO | None) -> None:
        request = decode(line)
        replies: Iterator[Reply]
        replies = iter((request,)) if isinstance(request, Failed) else answer(self._node, by, request, file)
        try:
            connection.settimeout(STALLED)
            for reply in replies:
                connection.sendall(_encode(reply) + b"\n")
            connection.settimeout(None)
        finally:
            getattr(replies, "close", lambda: None)()


def _in_group(name: str, gid: int) -> bool:
    try:
        wanted = grp.getgrnam(GROUP).gr_gid
        return gid == wanted or wanted in os.getgrouplist(name, gid)
    except KeyError:
        return False
