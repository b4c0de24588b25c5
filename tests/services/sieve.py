"""ManageSieve spoken word by word: answers read whole, literals and all, and shown as the octets they were."""

from __future__ import annotations

import base64
import re
from typing import Self

from tests.services.talk import Talk

LITERAL = re.compile(rb"\{(\d+)\+?\}\r\n$")
END = re.compile(rb"(OK|NO|BYE)\b")


class Sieve(Talk):
    """One connection to a ManageSieve server."""

    def answer(self) -> list[bytes]:
        """Responses up to and with the one that has a status; each with its literals, without its line ending."""
        responses = [self._response()]
        while not END.match(responses[-1]):
            responses.append(self._response())
        return responses

    def _response(self) -> bytes:
        response = self.line() + b"\r\n"
        while literal := LITERAL.search(response):
            response += self.read(int(literal[1])) + self.line() + b"\r\n"
        return response[:-2]

    def ask(self, command: bytes) -> list[bytes]:
        """The answer to a command."""
        self.send(command + b"\r\n")
        return self.answer()

    def plain(self, name: str, password: str, authzid: str = "") -> list[bytes]:
        """Log in by AUTHENTICATE PLAIN."""
        token = base64.b64encode(f"{authzid}\0{name}\0{password}".encode())
        return self.ask(b'AUTHENTICATE "PLAIN" "%b"' % token)

    def put(self, name: str, script: bytes) -> bytes:
        """Upload a script; the last line of the answer."""
        return self.ask(b'PUTSCRIPT "%b" {%d+}\r\n%b' % (name.encode(), len(script), script))[-1]

    def logged_in(self, name: str, password: str) -> Self:
        """The same connection, greeted and logged in."""
        self.answer()
        answer = self.plain(name, password)
        assert answer[-1].startswith(b"OK"), answer
        return self
