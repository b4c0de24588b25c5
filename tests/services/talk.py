"""IMAP spoken word by word: for what a client library would hide, forbid or mend."""

from __future__ import annotations

import base64
import socket
import ssl
from typing import Self

SECONDS = 60


class Talk:
    """One connection; raises EOFError when the other side has closed, TimeoutError when it is silent."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        session: ssl.SSLSession | None = None,
        source: str = "",
    ) -> None:
        self.host = host
        self.socket = socket.create_connection((host, port), SECONDS, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.secure(tls, session)
        self._file = self.socket.makefile("rb")
        self._tags = 0

    def secure(self, tls: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        """Begin TLS here and now."""
        self.socket = tls.wrap_socket(self.socket, server_hostname=self.host, session=session)
        self._file = self.socket.makefile("rb")

    def send(self, octets: bytes) -> None:
        """Exactly these octets."""
        self.socket.sendall(octets)

    def line(self) -> bytes:
        """The next line, without its ending."""
        line = self._file.readline()
        if not line:
            raise EOFError
        return line.rstrip(b"\r\n")

    def rest(self) -> bytes:
        """Everything until the other side closes; a reset counts as that."""
        try:
            return self._file.read()
        except ConnectionResetError:
            return b""

    def read(self, size: int) -> bytes:
        """Exactly `size` octets, fewer only at the end."""
        return self._file.read(size)

    def until(self, tag: bytes) -> list[bytes]:
        """Lines up to and with the tagged one."""
        lines = [self.line()]
        while not lines[-1].startswith(tag + b" "):
            lines.append(self.line())
        return lines

    def ask(self, command: bytes) -> list[bytes]:
        """The answer to a command, its tagged line last; the tag is replaced by `tag`."""
        self._tags += 1
        tag = b"t%d" % self._tags
        self.send(tag + b" " + command + b"\r\n")
        lines = self.until(tag)
        return [*lines[:-1], lines[-1].replace(tag, b"tag", 1)]

    def plain(self, name: str, password: str, authzid: str = "") -> list[bytes]:
        """Log in by AUTHENTICATE PLAIN."""
        token = base64.b64encode(f"{authzid}\0{name}\0{password}".encode())
        return self.ask(b"AUTHENTICATE PLAIN " + token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()
