"""Asking the mail stores whether they live: each endpoint every probe_seconds, and step by step for `backend check`.

Must never log in, nor send a store anything beyond its protocol's first words (STARTTLS, capabilities, farewell). What
a store says is shown shortened and escaped. A probe that fails is repeated before anybody is told.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec

from appliance.control.hub import Hub
from appliance.messages import BackendState
from appliance.terms import Endpoint, Service, TlsMode

T = TypeVar("T")

LINE: Final = 8192  # octets of one line of a greeting
LINES: Final = 100
AGAIN_SECONDS: Final = 1.0  # between a first failed probe and the one that decides
PROBE_SECONDS: Final = 5.0  # that each step of a probe may take
PROXY_LOCAL: Final = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"  # PROXY v2, command LOCAL: a health check, no client


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
    Service.POP3: Speech(_PLUS, (b"STLS\r\n", _PLUS), (b"CAPA\r\n", _answer(rb"\.\r?$|-ERR", rb"\.")), b"QUIT\r\n"),
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
        self.steps: list[Step] = []

    async def pay(self, thorough: bool) -> None:
        """All steps up to the greeting, or to the capabilities. The last one tells."""
        try:
            await self._step("connect", self._connect)
        except Failure:
            return
        try:
            if self._endpoint.tls is TlsMode.IMPLICIT:
                await self._step("tls", self._secure)
            await self._step("greeting", lambda: self._read(self._speech.greeting))
            if thorough:
                await self._introduce()
            self._writer.write(self._speech.farewell)
        except Failure:
            pass
        finally:
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
        except (OSError, ValueError, Failure) as error:  # ValueError: a line beyond LINE
            result, ok = _why(error), False
        self.steps.append(Step(name, ok, result, round((time.perf_counter() - began) * 1000, 1)))
        if not ok:
            raise Failure(result)

    async def _connect(self) -> str:
        self._reader, self._writer = await asyncio.open_connection(
            self._endpoint.host, self._endpoint.port, limit=LINE
        )
        if self._endpoint.client_address == "proxy-v2":
            self._writer.write(PROXY_LOCAL)
        address, port = self._writer.get_extra_info("peername")[:2]
        return f"{address} port {port}"

    async def _secure(self) -> str:
        name = self._endpoint.tls_name or self._endpoint.host
        await self._writer.start_tls(_context(self._endpoint), server_hostname=name)
        tls: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        found = hashlib.sha256(tls.getpeercert(binary_form=True) or b"")
        if self._endpoint.tls_pin and found.digest() != self._endpoint.tls_pin:
            raise Failure(f"another certificate than pinned: sha256:{found.hexdigest()}")
        return f"{tls.version()}, certificate {'as pinned' if self._endpoint.tls_pin else f'good for {name}'}"

    async def _ask(self, command: bytes, answer: Answer) -> str:
        self._writer.write(command)
        return await self._read(answer)

    async def _read(self, answer: Answer) -> str:
        lines: list[bytes] = []
        for _ in range(LINES):
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                raise Failure("closed the connection" + (f" after: {_shown(lines)}" if lines else ""))
            lines.append(line)
            if answer.end.match(line):
                if not answer.good.match(line):
                    raise Failure(_shown(lines))
                return _shown(lines)
        raise Failure(f"more than {LINES} lines, none of them the last")


async def visit(service: str, endpoint: Endpoint, *, thorough: bool, seconds: float) -> list[Step]:
    """The steps as they went; all but the last succeeded. `seconds`: how long each may take."""
    one = _Visit(service, endpoint, seconds)
    await one.pay(thorough)
    return one.steps


def check(service: str, endpoint: Endpoint, seconds: float = 10) -> list[Step]:
    """What `backend check` shows, all steps. For handlers: call it where no event loop runs."""
    return asyncio.run(visit(service, endpoint, thorough=True, seconds=seconds))


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
        case ValueError():
            return f"a line of more than {LINE} octets"
        case _:
            return str(error) or type(error).__name__


def _shown(lines: list[bytes]) -> str:
    text = " / ".join(line.rstrip(b"\r\n").decode("ascii", "backslashreplace") for line in lines)
    text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return text if len(text) <= 400 else text[:399] + "…"


class Prober:
    """One task per endpoint of the configuration."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._tasks: dict[tuple[str, Endpoint], asyncio.Task[None]] = {}
        self._every = 10.0
        self._breaker_seconds = 30.0

    def plan(self, wanted: set[tuple[str, Endpoint]], every: float, breaker_seconds: float) -> None:
        """Watch these endpoints (service, endpoint) and no others. Call it in the loop."""
        self._every, self._breaker_seconds = every, breaker_seconds
        for key in self._tasks.keys() - wanted:
            self._tasks.pop(key).cancel()
        for service, endpoint in wanted - self._tasks.keys():
            self._tasks[service, endpoint] = asyncio.create_task(self._watch(service, endpoint))
        self._hub.states.forget_all_but({(endpoint.backend, service) for service, endpoint in wanted})

    def close(self) -> None:
        """Watch nothing any more."""
        for task in self._tasks.values():
            task.cancel()

    async def _watch(self, service: str, endpoint: Endpoint) -> None:
        await asyncio.sleep(random.uniform(0, min(1.0, self._every)))  # noqa: S311 - spreads load, no secret
        was_up: bool | None = None
        while True:
            reason = await self._probe(service, endpoint)
            self._tell(endpoint.backend, service, was_up, reason)
            was_up = not reason
            await asyncio.sleep(self._every * random.uniform(0.8, 1.2))  # noqa: S311

    async def _probe(self, service: str, endpoint: Endpoint) -> str:
        """Empty, or why it is down."""
        for pause in (AGAIN_SECONDS, 0):
            last = (await visit(service, endpoint, thorough=False, seconds=PROBE_SECONDS))[-1]
            if last.ok:
                return ""
            await asyncio.sleep(pause)
        return f"{last.name}: {last.result}"

    def _tell(self, backend: str, service: str, was_up: bool | None, reason: str) -> None:
        """Every failure, so that no client need try meanwhile; of the rest only news.

        A worker's breaker saw real log-ins fail: a greeting alone overrules it after its time only.
        """
        known, since = self._hub.states.of(backend, service) or (None, 0.0)
        if reason or known is None:
            self._hub.found(BackendState(backend, service, not reason, reason))
        elif not known.up and (was_up is False or _now() - since > self._breaker_seconds):
            self._hub.found(BackendState(backend, service, True))


def _now() -> float:
    return asyncio.get_running_loop().time()
