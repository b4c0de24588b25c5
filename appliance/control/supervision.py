"""The controller as a role of the supervisor: says that it lives, asks whether a port could be opened.

Must never be needed: without a supervisor (a controller alone, or while that one restarts) everything goes on, and no
port is checked beforehand. State belongs to the loop's thread; handlers use `possible` and `changed`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance import messages, packets
from appliance.messages import ListenerSpec, Message

ALIVE_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 2.0  # beyond this, the change goes on unchecked: the supervisor keeps trying to listen


class Supervision:
    """The link to HOME/run/supervisor.sock, made again whenever it breaks."""

    def __init__(self, path: Path, instance: str, stop: Callable[[], None]) -> None:
        self._path = path
        self._instance = instance
        self._stop = stop
        self._link: socket.socket | None = None
        self._begotten_by = os.getppid()
        self._numbers = itertools.count(1)
        self._asked: dict[object, asyncio.Future[list[str]]] = {}

    # --- from the loop ----------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Until cancelled. Run it once everything is open: its first words include Ready."""
        self._loop = asyncio.get_running_loop()
        while True:
            if self._link is not None:
                self._send(messages.Alive())
            elif os.getppid() == self._begotten_by:
                self._connect()
            else:  # the supervisor that begot us is dead, and its successor begets another, who needs the home's lock
                self._stop()
            await asyncio.sleep(ALIVE_SECONDS)

    def close(self) -> None:
        """Let go of the link."""
        if self._link is not None:
            self._loop.remove_reader(self._link)
            self._link.close()
            self._link = None

    # --- from any thread --------------------------------------------------------------------------------------

    def possible(self, listeners: Sequence[ListenerSpec]) -> list[str]:
        """What of these cannot be opened, and why. Empty too if nobody can say."""
        if not listeners or self._link is None:
            return []
        number = next(self._numbers)
        return self._ask(number, messages.ListenersWanted(number, list(listeners)))

    def changed(self, revision: int) -> list[str]:
        """The addresses of services changed. Returns what is not open now, and why, once the rest is."""
        if self._link is None:
            return []
        return self._ask(("revision", revision), messages.ConfigurationChanged(revision))

    def _ask(self, key: object, message: Message) -> list[str]:
        waiting = asyncio.run_coroutine_threadsafe(self._answer(key, message), self._loop)
        return waiting.result(ANSWER_SECONDS + 5)

    async def _answer(self, key: object, message: Message) -> list[str]:
        answer = self._asked[key] = self._loop.create_future()
        self._send(message)
        try:
            return await asyncio.wait_for(answer, ANSWER_SECONDS)
        except TimeoutError:
            return []
        finally:
            del self._asked[key]

    # --- the link ---------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        with suppress(OSError):
            self._link = packets.connect(self._path)
            self._loop.add_reader(self._link, self._hear)
            self._send(messages.Hello("controller", self._instance, os.getpid()))
            self._send(messages.Ready())

    def _send(self, message: Message) -> None:
        if self._link is not None and not packets.send(self._link, message):
            self.close()

    def _hear(self) -> None:
        assert self._link is not None
        received = packets.receive(self._link)
        if received is None:
            return
        packet, descriptors = received
        for descriptor in descriptors:
            os.close(descriptor)
        if not packet:
            self.close()
            return
        message: Any = None
        with suppress(msgspec.DecodeError):  # of a newer release: not for us
            message = messages.decode_from_supervisor(packet)
        match message:
            case messages.ListenersPossible(request=number, problems=problems):
                self._answered(number, problems)
            case messages.ListenersOpen(revision=revision, problems=problems):
                self._answered(("revision", revision), problems)
            case messages.Drain():
                self._stop()

    def _answered(self, key: object, problems: list[str]) -> None:
        answer = self._asked.get(key)
        if answer is not None and not answer.done():
            answer.set_result(problems)
