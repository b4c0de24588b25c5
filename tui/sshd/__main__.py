"""What the supervisor, or the unit, starts: `python -m tui.sshd --home HOME --instance NAME`.

What SSH needs is loaded when there is something to listen on: a node whose console is off does not pay for it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import os
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from appliance.home import Home
from appliance.role import Duty, Lent
from appliance.undumpable import become_undumpable

if TYPE_CHECKING:
    from tui.sshd.server import Server

RETRY_SECONDS: Final = 5.0

log = logging.getLogger("postern.console")


class Console:
    """The role: a server as long as it is wanted."""

    def __init__(self, home: Home, instance: str) -> None:
        self._home = home
        self._duty = Duty(home, "console", instance, self._serve, self._drain)
        self._server: Server | None = None
        self._lent: list[Lent] = []
        self._over = asyncio.Event()
        self._opening = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Until told to stop. Returns the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._drain, 0.0)
        for number in (signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, lambda: None)
        duty = asyncio.create_task(self._duty.do())
        await self._over.wait()
        if self._server is not None:
            await self._server.close()
        duty.cancel()
        return int(self._duty.orphaned)

    def _serve(self, lent: list[Lent]) -> None:
        for one in self._lent:
            one.socket.close()
        self._lent = lent
        self._begin(self._open())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        """Listen on what is lent now; without a host key, as soon as there is one."""
        async with self._opening:
            while self._lent and self._server is None:
                try:
                    await self._make()
                except (OSError, ValueError) as error:
                    why = getattr(error, "strerror", None) or error
                    log.error("cannot read the host key in %s: %s; trying again", self._home.ssh, why)
                    await asyncio.sleep(RETRY_SECONDS)
            lent, self._lent = self._lent, []
            if self._server is not None and not self._over.is_set():
                self._server.listen(lent)
            self._duty.ready()

    async def _make(self) -> None:
        from tui.sshd.server import Server

        server = Server(self._home)
        await server.prepare()
        self._server = server

    def _drain(self, seconds: float) -> None:
        """Accept no more; sessions are ended at once, unless they may last as long as they want."""
        if math.isfinite(seconds) or self._server is None:
            self._over.set()
            return
        self._server.retire()
        self._begin(self._linger(self._server))

    async def _linger(self, server: Server) -> None:
        while not server.is_empty:
            await asyncio.sleep(1)
        self._over.set()


def main() -> int:
    """Serve until told to stop. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="postern-console")
    parser.add_argument("--home")
    parser.add_argument("--instance", default=f"console-{os.getpid()}")
    given = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(levelname)s: %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.ERROR)  # below, it tells what strangers make up
    os.umask(0o027)
    become_undumpable()  # children are of our user, and do what strangers' octets make of them
    home = Home.find(given.home)

    async def run() -> int:
        return await Console(home, given.instance).run()

    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
