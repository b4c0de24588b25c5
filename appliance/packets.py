"""Packets between this node's own processes: messages, and descriptors beside them, over SEQPACKET sockets.

Must never block its caller for long: sockets are non-blocking, a peer that does not read is the caller's to drop.
Descriptors travel by SCM_RIGHTS (unix(7)).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from pathlib import Path

from appliance.messages import MAX_DESCRIPTORS, PACKET, Message, encode


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends, non-blocking."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


def listen(path: Path, mode: int) -> socket.socket:
    """A listening socket at `path`, in the place of one that a dead process left. Raises OSError."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mask = os.umask(0o777 & ~mode)  # not chmod(2): what is at `path` by then may be a link that its owner put there
    try:
        server.bind(str(path))
        server.listen(64)
    except OSError:
        server.close()
        raise
    finally:
        os.umask(mask)
    server.setblocking(False)
    return server


def connect(path: Path) -> socket.socket:
    """A connection to the process that listens at `path`. Raises OSError, also when too many wait there already."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.setblocking(False)  # before it connects: a process that hangs accepts nothing
    try:
        client.connect(str(path))
    except OSError:
        client.close()
        raise
    return client


def send(to: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> bool:
    """Send one message. False if the peer is gone or does not read."""
    try:
        socket.send_fds(to, [encode(message)], list(descriptors))
    except OSError:
        return False
    return True


def receive(from_: socket.socket) -> tuple[bytes, list[int]] | None:
    """The next packet and its descriptors; b"" at the end of the connection; None if there is none now."""
    try:
        packet, descriptors, _, _ = socket.recv_fds(from_, PACKET, MAX_DESCRIPTORS, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b"", []
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return packet, descriptors


def peer_of(connection: socket.socket) -> tuple[int, int, int]:
    """Pid, uid and gid of the process at the other end (SO_PEERCRED)."""
    size = struct.calcsize("3i")
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return pid, uid, gid
