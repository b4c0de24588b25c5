"""One session of somebody who has logged in: the console on a terminal, or one command; as one child process.

Must never start one with more rights than the administrator's own: it speaks only for whom the controller took in.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

import asyncssh

from appliance.control.api import Refused
from appliance.home import Home
from tui.sshd import children, pipes
from tui.sshd.controller import Controller, Silent
from tui.sshd.door import SILENT, Guest
from tui.sshd.terminal import RESTORE, Terminal

IDLE_SECONDS: Final = 30 * 60.0
BUFFER: Final = 64 * 1024  # octets that a client may leave unread before its child has to wait
LONGEST_COMMAND: Final = 64 * 1024
LOCKED: Final = (
    "your log-ins ask for a one-time code, for which a command cannot ask: log in by password and code "
    "(ssh -o PubkeyAuthentication=no), or use the console"
)
STOPPING: Final = "the node's console stops; come back in a moment"
IDLE: Final = "nothing was typed for half an hour: goodbye"
BAD_WORDS: Final = 2  # exit status

log = logging.getLogger("postern.console")


class Unwelcome(Exception):  # noqa: N818
    """Why there is no session: a sentence, and the exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


class Visit:
    """From the client's request to the exit status."""

    def __init__(self, process: asyncssh.SSHServerProcess[bytes], guest: Guest, idle: float = IDLE_SECONDS) -> None:
        self.guest = guest
        self._process = process
        self._idle = idle
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        process.channel.set_write_buffer_limits(BUFFER)

    def end(self, why: str) -> None:
        """Now, with a word to the client."""
        if not self._over.done():
            self._over.set_result(why)

    async def run(self, home: Home, controller: Controller) -> None:
        """Until the child ends, the client goes, or somebody ends it. Never raises."""
        try:
            words, on_terminal = self._wanted()
            _, control = await controller.enter(*self.guest.entry)
            with control:
                status = await (self._on_terminal if on_terminal else self._by_pipes)(home, words, control)
        except Unwelcome as unwelcome:
            status = self._refuse(str(unwelcome), unwelcome.status)
        except Refused as refused:
            status = self._refuse(refused.text, refused.status)
        except Silent as silent:
            log.warning("no session can begin: %s", silent)
            status = self._refuse(SILENT, 3)
        except OSError as error:
            log.error("no session can begin: %s", error)
            status = self._refuse(f"the node cannot start it: {error.strerror or error}", 1)
        with suppress(OSError, asyncssh.Error):
            self._process.exit(status)

    # --- what is wanted ------------------------------------------------------------------------------------------

    def _wanted(self) -> tuple[list[str], bool]:
        """The words behind `postern`, and whether they get a terminal. Raises Unwelcome."""
        command, terminal = self._process.command, self._process.term_type
        if self._process.subsystem is not None:
            raise Unwelcome("there is no such subsystem here; there is sftp")
        if command is None and terminal is not None and terminal not in ("dumb", ""):
            return ["tui"], True
        if self.guest.locked:
            raise Unwelcome(LOCKED)
        if command is None:  # a terminal that can show no screen, or none
            return ["--help"], terminal is not None
        if len(command) > LONGEST_COMMAND or "\0" in command:
            raise Unwelcome(f"a command has at most {LONGEST_COMMAND} characters, none of them NUL", BAD_WORDS)
        try:
            return shlex.split(command) or ["--help"], terminal is not None
        except ValueError as error:  # a quotation without an end
            raise Unwelcome(f"cannot split the command into words: {str(error).lower()}", BAD_WORDS) from error

    def _given(self) -> dict[str, str]:
        """The client's environment, with its terminal."""
        given = dict(self._process.env)
        return {**given, "TERM": self._process.term_type or "dumb"}

    def _refuse(self, why: str, status: int) -> int:
        with suppress(OSError, asyncssh.Error):
            end = b"\r\n" if self._process.term_type else b"\n"
            self._process.stderr.write(b"postern: " + why.encode() + end)
        return status

    # --- the child -----------------------------------------------------------------------------------------------

    async def _on_terminal(self, home: Home, words: list[str], control: socket.socket) -> int:
        terminal = Terminal(self._process, self._idle)
        try:
            try:
                child = await children.start(home, words, self._given(), control, terminal.childs)
            finally:
                terminal.given_away()
            control.close()
            why = await self._until_over(terminal.show(), self._type(terminal))
            return await self._ended(child, why)
        finally:
            terminal.close()

    async def _type(self, terminal: Terminal) -> None:
        await terminal.type()
        self.end(IDLE)

    async def _by_pipes(self, home: Home, words: list[str], control: socket.socket) -> int:
        child = await children.start(home, words, self._given(), control)
        control.close()
        try:
            why = await self._until_over(pipes.show(self._process, child), pipes.feed(self._process, child))
            return await self._ended(child, why)
        finally:
            await pipes.close(child)

    async def _until_over(self, show: Coroutine[Any, Any, None], listen: Coroutine[Any, Any, None]) -> str | None:
        """Why the child has to end; None if it ended by itself, and all that it wrote is on its way."""
        shown = asyncio.ensure_future(show)
        gone = asyncio.ensure_future(self._process.wait_closed())
        listened = asyncio.ensure_future(listen)
        try:
            waited: set[asyncio.Future[Any]] = {shown, gone, self._over}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended = gone.done()
            for task in (shown, gone, listened):
                task.cancel()
            await asyncio.gather(shown, gone, listened, return_exceptions=True)
        if self._over.done():
            return self._over.result()
        return "" if ended else None

    async def _ended(self, child: asyncio.subprocess.Process, why: str | None) -> int:
        if why is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), children.GRACE)
        by_itself = child.returncode is not None
        await children.end(child)
        assert child.returncode is not None
        if by_itself and child.returncode >= 0:
            return child.returncode
        if self._process.term_type:
            with suppress(OSError, asyncssh.Error):
                self._process.stdout.write(RESTORE)
        self._refuse(why or "it ended unexpectedly; the node's log may say why", 1)
        return 1
