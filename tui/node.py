"""The node, as the console sees it: questions without waiting for them, and the stream of what changed.

All I/O is in threads, which never touch a widget: answers are awaited, events arrive as calls in the app's loop. Must
never know what a request means.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from itertools import islice
from typing import Any, BinaryIO, Final

from appliance.control.api import Done, Progress, Refused, Request
from appliance.control.client import Client

AT_ONCE: Final = 3  # questions; beside them one stream or two
AGAIN: Final = (0.5, 1.0, 2.0, 5.0)  # seconds between tries to find the node again

Connect = Callable[[], Client]


class Node:
    """Whatever `connect` leads to: the running node, through its control socket."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._free = asyncio.Semaphore(AT_ONCE)

    async def ask(
        self, request: Request, file: BinaryIO | None = None, progress: Callable[[Progress], None] | None = None
    ) -> Done:
        """The answer. `progress` is called in the loop. Raises Refused: also when the node cannot be reached.

        Whoever is cancelled meanwhile hangs up: the node gives up what it can (an import, an export).
        """
        loop = asyncio.get_running_loop()
        context = copy_context()
        told = None if progress is None else lambda one: loop.call_soon_threadsafe(progress, one, context=context)
        call: list[Client] = []
        async with self._free:
            try:
                return await asyncio.to_thread(self._ask, request, file, told, call)
            except asyncio.CancelledError:
                for client in call:
                    client.close()
                raise

    def _ask(self, request: Request, file: BinaryIO | None, progress: Any, call: list[Client]) -> Done:
        try:
            with self._connect() as client:
                call.append(client)
                return client.ask(request, file, progress)
        except OSError as error:
            raise Refused(f"the node does not answer: {error.strerror or error}") from error

    async def collect(self, request: Request, most: int = 1000) -> list[Any]:
        """The events of a stream that ends by itself, `most` of them. Raises Refused."""
        async with self._free:
            return await asyncio.to_thread(self._collect, request, most)

    def _collect(self, request: Request, most: int) -> list[Any]:
        try:
            with self._connect() as client:
                return [event.value for event in islice(client.stream(request), most)]
        except OSError as error:
            raise Refused(f"the node does not answer: {error.strerror or error}") from error

    def follow(self, request: Request, heard: Callable[[Any], None], lost: Callable[[str], None]) -> Stream:
        """Call `heard` in this loop with each event's value, and `lost` with why, whenever the stream breaks off.

        It is begun again until it is closed; an endless stream's first events then say anew how things stand.
        """
        stream = Stream(self._connect, request, heard, lost)
        threading.Thread(target=stream.run, name="stream", daemon=True).start()
        return stream


class Stream:
    """Events of one request, read in a thread of its own."""

    def __init__(
        self, connect: Connect, request: Request, heard: Callable[[Any], None], lost: Callable[[str], None]
    ) -> None:
        self._connect = connect
        self._request = request
        self._heard = heard
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()  # the app's: a timer that is begun in an event's call needs it
        self._client: Client | None = None
        self._over = threading.Event()

    def run(self) -> None:
        """Until closed."""
        failures = 0
        while not self._over.is_set():
            began, why = time.monotonic(), "the node ended the stream"
            try:
                self._read()
            except (Refused, OSError) as error:
                why = str(error)
            failures = 0 if time.monotonic() - began > AGAIN[-1] else min(failures + 1, len(AGAIN))
            if not self._over.is_set():
                self._tell(self._lost, why)
                self._over.wait(AGAIN[failures - 1 if failures else 0])

    def _read(self) -> None:
        with self._connect() as client:
            self._client = client
            for event in client.stream(self._request):
                if self._over.is_set():
                    return
                self._tell(self._heard, event.value)

    def _tell(self, whom: Callable[[Any], None], what: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(self._guarded, whom, what, context=self._context)
        except RuntimeError:  # the loop is closed: so are we
            self._over.set()

    def _guarded(self, whom: Callable[[Any], None], what: Any) -> None:
        if not self._over.is_set():
            whom(what)

    def close(self) -> None:
        """Hear no more; nothing is told after this."""
        self._over.set()
        if self._client is not None:
            self._client.close()
