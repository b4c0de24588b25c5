"""A visit to a mail store: its protocol's first words, step by step. For probes and for `backend check`.

Must never log in, nor send a store anything beyond STARTTLS, a question for capabilities, and farewell. What a store
says is shown shortened and escaped. IMAP RFC 9051, POP3 RFC 1939 and 2449, ManageSieve RFC 5804, SMTP RFC 5321.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from appliance.control.offers import offers
from appliance.edge import proxyheader
from appliance.terms import Endpoint, Service, TlsMode

LINE: Final = 8192  # octets of one line of a greeting
LINES: Final = 100


class Step(msgspec.Struct, frozen=True):
    """One step of a check: "connect", "tls", "greeting", "starttls" or "capability"."""

    name: str
    ok: bool
    result: str
    ms: float


class Answer(NamedTuple):
    """Which line ends an answer, and whether that line is a yes."""

    end: re.Pattern[bytes]
    good: re.Pattern[bytes]


class Speech(NamedTuple):
    """A protocol's first words."""

    greeting: Answer
    starttls: tuple[bytes, Answer]
    capability: tuple[bytes, Answer]
    farewell: bytes
    greets_again: bool = False  # after STARTTLS
    greets_briefly: bool = False  # what it offers is in no greeting: a probe asks for it


def _answer(end: bytes, good: bytes) -> Answer:
    return Answer(re.compile(end), re.compile(good))


_TAGGED: Final = _answer(rb"c\d ", rb"c\d OK")
_PLUS: Final = _answer(rb"[+-]", rb"\+OK")
_WORD: Final = _answer(rb"(?i)(OK|NO|BYE)\b", rb"(?i)OK\b")
_DIGITS: Final = _answer(rb"\d{3}(?!-)", rb"2")

SPEECH: Final[Mapping[str, Speech]] = {
    # RFC 9051, 7.1.4: PREAUTH is a yes of another sort: nobody could log in there.
    Service.IMAP: Speech(
        _answer(rb"\* ", rb"(?i)\* OK"),
        (b"c1 STARTTLS\r\n", _TAGGED),
        (b"c2 CAPABILITY\r\n", _TAGGED),
        b"c3 LOGOUT\r\n",
    ),
    # RFC 2449 is an extension: who does not know CAPA may still be a good store.
    Service.POP3: Speech(
        _PLUS,
        (b"STLS\r\n", _PLUS),
        (b"CAPA\r\n", _answer(rb"\.\r?$|-ERR", rb"\.|-ERR")),
        b"QUIT\r\n",
        greets_briefly=True,
    ),
    Service.SIEVE: Speech(_WORD, (b"STARTTLS\r\n", _WORD), (b"CAPABILITY\r\n", _WORD), b"LOGOUT\r\n", True),
    Service.SMTP: Speech(_DIGITS, (b"STARTTLS\r\n", _DIGITS), (b"EHLO postern.invalid\r\n", _DIGITS), b"QUIT\r\n"),
    "lmtp": Speech(_DIGITS, (b"STARTTLS\r\n", _DIGITS), (b"LHLO postern.invalid\r\n", _DIGITS), b"QUIT\r\n"),
}


class Failure(Exception):  # noqa: N818
    """The step failed: why, in a few words."""


class _Visit:
    """One connection to a store, step by step."""

    def __init__(self, service: str, endpoint: Endpoint, seconds: float) -> None:
        self._speech = SPEECH[service]
        self._endpoint = endpoint
        self._seconds = seconds
        self._link: socket.socket | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self.heard = b""  # the latest answer
        self.steps: list[Step] = []

    async def pay(self, thorough: bool) -> None:
        """All steps up to the greeting, or to the capabilities. The last one tells."""
        try:
            await self._step("connect", self._connect)
            if self._endpoint.tls is TlsMode.IMPLICIT:
                await self._step("tls", self._begin_secured)
            else:
                await self._begin(None)
            await self._step("greeting", lambda: self._read(self._speech.greeting))
            if thorough or self._speech.greets_briefly:
                await self._introduce()
            self._writer.write(self._speech.farewell)
        except Failure:
            pass  # the last step says it
        finally:
            if self._link is not None:
                self._link.close()
            if hasattr(self, "_writer"):
                self._writer.close()

    async def _introduce(self) -> None:
        if self._endpoint.tls is TlsMode.STARTTLS:
            await self._step("starttls", lambda: self._ask(*self._speech.starttls))
            await self._step("tls", self._secure)
            if self._speech.greets_again:
                await self._step("greeting", lambda: self._read(self._speech.greeting))
        await self._step("capability", lambda: self._ask(*self._speech.capability))

    async def _step(self, name: str, work: Callable[[], Awaitable[str]]) -> None:
        began = time.perf_counter()
        try:
            result, ok = await asyncio.wait_for(work(), self._seconds), True
        except TimeoutError:
            result, ok = f"no answer within {self._seconds:g} s", False
        except (OSError, ValueError, Failure) as error:  # ValueError: a host that cannot be a name
            result, ok = _why(error), False
        self.steps.append(Step(name, ok, result, round((time.perf_counter() - began) * 1000, 1)))
        if not ok:
            raise Failure(result)

    async def _connect(self) -> str:
        loop = asyncio.get_running_loop()
        self._link = link = await _connected(self._endpoint.host, self._endpoint.port)
        if self._endpoint.client_address == "proxy-v2":
            await loop.sock_sendall(link, proxyheader.LOCAL)
        address, port = link.getpeername()[:2]
        return f"{address} port {port}"

    async def _begin(self, tls: ssl.SSLContext | None) -> None:
        """From here on the link belongs to the streams. Nothing was read before: with TLS it would not be TLS."""
        name = self._name() if tls else None
        self._reader, self._writer = await asyncio.open_connection(
            sock=self._link, ssl=tls, server_hostname=name, limit=LINE
        )
        self._link = None

    async def _begin_secured(self) -> str:
        await self._begin(_context(self._endpoint))
        return self._proof()

    async def _secure(self) -> str:
        await self._writer.start_tls(_context(self._endpoint), server_hostname=self._name())
        return self._proof()

    def _name(self) -> str:
        return self._endpoint.tls_name or self._endpoint.host

    def _proof(self) -> str:
        tls: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        found = hashlib.sha256(tls.getpeercert(binary_form=True) or b"")
        if self._endpoint.tls_pin and found.digest() != self._endpoint.tls_pin:
            raise Failure(f"another certificate than pinned: sha256:{found.hexdigest()}")
        return f"{tls.version()}, certificate {'as pinned' if self._endpoint.tls_pin else f'good for {self._name()}'}"

    async def _ask(self, command: bytes, answer: Answer) -> str:
        self._writer.write(command)
        return await self._read(answer)

    async def _read(self, answer: Answer) -> str:
        lines: list[bytes] = []
        for _ in range(LINES):
            line = await self._line()
            if not line.endswith(b"\n"):
                raise Failure("closed the connection" + (f" after: {_shown(lines)}" if lines else ""))
            lines.append(line)
            if answer.end.match(line):
                if not answer.good.match(line):
                    raise Failure(_shown(lines))
                self.heard = b"".join(lines)
                return _shown(lines)
        raise Failure(f"more than {LINES} lines, none of them the last")

    async def _line(self) -> bytes:
        try:
            return await self._reader.readline()
        except ValueError as error:
            raise Failure(f"a line of more than {LINE} octets") from error


async def visit(service: str, endpoint: Endpoint, *, thorough: bool, seconds: float) -> list[Step]:
    """The steps as they went; all but the last succeeded. `seconds`: how long each may take."""
    one = _Visit(service, endpoint, seconds)
    await one.pay(thorough)
    return one.steps


async def probe(service: str, endpoint: Endpoint, *, seconds: float) -> tuple[Step, str]:
    """The last step of a visit that goes no further than it must, and what the store offers before log-in, in words."""
    one = _Visit(service, endpoint, seconds)
    await one.pay(thorough=False)
    return one.steps[-1], offers(service, one.heard)


def check(service: str, endpoint: Endpoint, seconds: float = 10) -> list[Step]:
    """What `backend check` shows, all steps. For handlers: call it where no event loop runs."""
    return asyncio.run(visit(service, endpoint, thorough=True, seconds=seconds))


async def _connected(host: str, port: int) -> socket.socket:
    """A connection to the first of a host's addresses that accepts one. Raises OSError."""
    loop = asyncio.get_running_loop()
    failed = OSError("no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        link = socket.socket(family, kind, protocol)
        link.setblocking(False)
        try:
            await loop.sock_connect(link, address)
        except OSError as error:
            link.close()
            failed = error
        except BaseException:  # given up
            link.close()
            raise
        else:
            return link
    raise failed


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=endpoint.tls_ca or None)
    if endpoint.tls_pin:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _why(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"certificate not accepted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
        case socket.gaierror():
            return error.strerror or "unknown host"
        case OSError() if error.errno:
            return os.strerror(error.errno)  # asyncio puts the address into the text; we know it
        case _:
            return str(error) or type(error).__name__


def _shown(lines: list[bytes]) -> str:
    text = " / ".join(line.rstrip(b"\r\n").decode("ascii", "backslashreplace") for line in lines)
    text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return text if len(text) <= 400 else text[:399] + "…"
