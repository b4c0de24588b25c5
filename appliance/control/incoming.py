"""What arrives on a conversation: lines, each a request, each with the file that came with it.

Must never take more than it bounds: REQUEST octets a line, one descriptor with it. unix(7): SCM_RIGHTS.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

import msgspec

from appliance.control.api import Failed, Request
from appliance.control.commands import request_decoder

REQUEST: Final = 8 * 1024 * 1024  # a configuration with the contents of all files that it names
MODES: Final = {os.O_RDONLY: "rb", os.O_WRONLY: "wb", os.O_RDWR: "r+b"}
_CHUNK: Final = 64 * 1024
_DESCRIPTORS: Final = 8


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
