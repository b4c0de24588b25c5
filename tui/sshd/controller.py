"""What the SSH server asks the controller: is this administrator who he says, may this address try, let him in.

Must never take silence for a no: what cannot be asked now raises Silent.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import msgspec

from appliance.control.api import Refused, Request
from appliance.control.api.console import ConsoleAddress, ConsoleEnter, ConsoleKey, ConsolePassword
from appliance.home import Home
from tui.sshd.asking import Asking

THREADS: Final = 8


class Silent(Exception):  # noqa: N818
    """The controller does not run, or does not answer."""


class Gate(NamedTuple):
    """What the controller says of a client address."""

    allowed: bool
    delay: float


class Controller:
    """Questions, some at a time: a controller that starts anew is found again by the next."""

    def __init__(self, home: Home) -> None:
        self._asking = Asking(home)
        self._threads = ThreadPoolExecutor(THREADS, "controller")

    def close(self) -> None:
        """Ask no more: whoever is inside stays, nobody else comes in."""
        self._asking.close()

    async def gate(self, client: str, failed: int = 0) -> Gate:
        """Whether an address may try to log in, after so many failures that only we saw. Raises Silent."""
        value = await self._ask(ConsoleAddress(client, failed))
        return Gate(value["allowed"], value["delay"])

    async def key(self, name: str, key: str, client: str) -> tuple[bool, bool]:
        """Whether this key is one of this administrator's, and whether a code is wanted, too. Raises Silent."""
        value = await self._ask(ConsoleKey(name, key, client))
        return value["allowed"], value["totp"]

    async def password(self, name: str, password: str, code: str, client: str) -> bool:
        """Whether both are right. Raises Silent."""
        value = await self._ask(ConsolePassword(name, password, code, client))
        return bool(value["allowed"])

    async def enter(self, name: str, client: str, by: str, locked: bool) -> tuple[str, socket.socket]:
        """A role, and a connection on which the controller takes whoever speaks for this administrator.

        `by`: what was proved, one of WAYS_IN. Raises Refused with a sentence, Silent.
        """
        ours, theirs = socket.socketpair()
        try:
            value = await self._ask(ConsoleEnter(name, client, by, locked), theirs, refusals=True)
        except BaseException:  # raised on: nobody else would close it
            ours.close()
            raise
        finally:
            theirs.close()
        return value["role"], ours

    async def _ask(self, request: Request, file: socket.socket | None = None, refusals: bool = False) -> Any:
        """The value of the answer. What is no answer to an administrator is silence, unless `refusals`."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._asking.ask, request, file)
        except Refused as refused:
            if refusals and refused.status != 3:
                raise
            raise Silent(refused.text) from refused
        except (OSError, msgspec.DecodeError) as error:
            raise Silent(str(error)) from error
