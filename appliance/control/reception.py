"""HOME/control.sock: who may speak, one line at a time, and the answers; each conversation in a thread of its own.

Must never take more than it bounds: CONVERSATIONS at a time, REQUEST octets a line, one descriptor with it. A client
that goes away ends what it asked for at its next reply; one that does not read stops it, for STALLED seconds at most.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import logging
import os
import pwd
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec

from appliance.control.api import Failed, Reply, Request
from appliance.control.commands import answer, request_decoder
from appliance.control.node import By, Node
from appliance.packets import peer_of

CONVERSATIONS: Final = 64
REQUEST: Final = 8 * 1024 * 1024  # a configuration with the contents of all files that it names
STALLED: Final = 600.0  # `postern log tail | less` may wait for its reader, but not for ever
GROUP: Final = "postern-admin"
MODES: Final = {os.O_RDONLY: "rb", os.O_WRONLY: "wb", os.O_RDWR: "r+b"}
_CHUNK: Final = 64 * 1024
_DESCRIPTORS: Final = 8

log = logging.getLogger("postern.control")
_encode: Final = msgspec.json.Encoder().encode


class Unacceptable(Exception):  # noqa: N818
    """What came is no request, and nothing after it will be: one sentence."""


class Requests:
    """The lines a client sends, each with the file that came with it. Bounded in octets and descriptors."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._octets = bytearray()
        self._descriptors: list[int] = []

    def __iter__(self) -> Iterator[tuple[bytes, BinaryIO | None]]:
        """Until the client closes. Raises Unacceptable, OSError. The file is the receiver's to close."""
        while True:
            end = self._octets.find(b"\n")
            if end < 0 and not self._more():
                return
            if end > REQUEST:
                raise Unacceptable(f"a request may have {REQUEST} octets at most")
            if end >= 0:
                line = bytes(self._octets[:end])
                del self._octets[: end + 1]
                yield line, self._file()

    def close(self) -> None:
        """Descriptors that came with half a request are closed."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []

    def _more(self) -> bool:
        octets, descriptors, _, _ = socket.recv_fds(
            self._connection, _CHUNK, _DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        self._descriptors += descriptors
        self._octets += octets
        if len(self._octets) > REQUEST and b"\n" not in self._octets:
            raise Unacceptable(f"a request may have {REQUEST} octets at most")
        if len(self._descriptors) > 1:
            raise Unacceptable("a request may come with one file at most")
        return bool(octets)

    def _file(self) -> BinaryIO | None:
        return _opened(self._descriptors.pop()) if self._descriptors else None


def _opened(descriptor: int) -> BinaryIO:
    """A file to read or write, as its sender may."""
    access = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    if access == os.O_RDWR and not stat.S_ISREG(os.fstat(descriptor).st_mode):
        access = os.O_RDONLY  # a terminal
    return cast(BinaryIO, os.fdopen(descriptor, MODES[access]))


def decode(line: bytes) -> Request | Failed:
    """The request of a line, or what is wrong with it."""
    try:
        return request_decoder().decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Failed(f"not a request of this release: {error}", 2)


class Reception:
    """Listens, and starts a conversation with each client."""

    def __init__(self, node: Node, path: Path) -> None:
        self._node = node
        self._path = path
        self._owner = node.home.path.stat().st_uid
        self._free = threading.BoundedSemaphore(CONVERSATIONS)
        self._open: set[socket.socket] = set()
        path.unlink(missing_ok=True)  # of a controller that died: we hold the home's lock
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        path.chmod(0o660)
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
        self._server.listen(128)
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
        elif not self._free.acquire(blocking=False):
            self._turn_away(connection, f"{CONVERSATIONS} conversations with this node are open already")
        else:
            self._open.add(connection)
            threading.Thread(target=self._converse, args=(connection, by), name=by.name, daemon=True).start()

    def close(self) -> None:
        """Stop listening and end all conversations."""
        self._server.close()
        self._path.unlink(missing_ok=True)
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _who(self, connection: socket.socket) -> By | None:
        _, uid, gid = peer_of(connection)
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = f"uid {uid}"
        if uid in (0, self._owner) or _in_group(name, gid):
            return By(name, "control socket")
        return None

    def _turn_away(self, connection: socket.socket, why: str) -> None:
        with connection, contextlib.suppress(OSError):
            connection.setblocking(False)
            connection.send(_encode(Failed(why)) + b"\n")

    def _converse(self, connection: socket.socket, by: By) -> None:
        requests = Requests(connection)
        try:
            for line, file in requests:
                with file or contextlib.nullcontext():
                    self._answer(connection, by, line, file)
        except Unacceptable as error:
            self._turn_away(connection, str(error))
        except OSError:  # it went away: its generator is closed by now
            pass
        finally:
            requests.close()
            self._open.discard(connection)
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
