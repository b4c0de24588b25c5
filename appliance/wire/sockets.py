"""What can be asked of a socket that is only known by its number. Each call costs some system calls: not for hot paths.

Must never close the descriptor it is given.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from socket import MSG_MORE, SocketType
from typing import Final

_ANY: Final = int(socket.AF_INET)  # shutdown(2) does not care; to name one saves asking the kernel which it is
_STREAM: Final = int(socket.SOCK_STREAM)
_WRITING: Final = int(socket.SHUT_WR)


@contextmanager
def borrowed(fd: int) -> Iterator[socket.socket]:
    """A socket object around a descriptor that stays its owner's."""
    connection = socket.socket(fileno=fd)
    try:
        yield connection
    finally:
        connection.detach()


def end_sending(fd: int, last: bytes | memoryview = b"") -> int:
    """Tell the peer that no more comes (FIN); it may go on sending. Nothing is told if `last` is not taken whole.

    The last octets and the end make one segment. Returns how many of them were taken; raises what sending them raises.
    """
    connection = SocketType(_ANY, _STREAM, 0, fd)
    try:
        sent = connection.send(last, MSG_MORE) if last else 0
        if sent == len(last):
            try:  # noqa: SIM105 - every session comes by here, and `suppress` costs as much as the rest
                connection.shutdown(_WRITING)
            except OSError:
                pass  # it is gone, which the next event tells
        return sent
    finally:
        connection.detach()


def own_address(fd: int) -> tuple[str, int]:
    """The address and port that the peer connected to."""
    with borrowed(fd) as connection:
        ip, port = connection.getsockname()[:2]
    return plain_ip(ip), port


def plain_ip(ip: str) -> str:
    """An IPv4 address that came through a dual-stack socket, without its IPv6 clothes; an IPv6 one without its zone."""
    return ip[7:] if ip.startswith("::ffff:") and "." in ip else ip.partition("%")[0]


def pending_error(fd: int) -> int:
    """The error that a socket met meanwhile, 0 without one; asking clears it."""
    with borrowed(fd) as connection:
        return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def is_connected(fd: int) -> bool:
    """Whether there is a peer."""
    try:
        with borrowed(fd) as connection:
            connection.getpeername()
    except OSError:
        return False
    return True
