"""The controller: the only writer of the configuration, the one process that commands and workers speak to.

Must never be needed for a log-in. Started by the supervisor as `python -m appliance.control.server --home HOME`, or by
hand; holds the home's lock while it lives; SIGTERM ends it with status 0.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from appliance.control import importing, rehash
from appliance.control.api import Refused
from appliance.control.commands.trial import not_kept
from appliance.control.history import History
from appliance.control.hub import Hub
from appliance.control.lock import take
from appliance.control.lookout import Lookout
from appliance.control.metrics import Page
from appliance.control.node import Node
from appliance.control.prober import Prober
from appliance.control.reception import Reception
from appliance.control.supervision import Supervision
from appliance.control.tally import Tally
from appliance.control.trial import Trials
from appliance.home import Home
from appliance.messages import ListenerSpec
from appliance.routing.snapshot import SnapshotError, load_snapshot
from db import meta

TIDY_SECONDS: Final = 60.0
TIDY_PAUSE: Final = 0.1  # between two pieces: changes go first
PULSE_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 5.0  # to listen for metrics
PATIENCE: Final = 5.0  # with a command that began while no node ran

log = logging.getLogger("postern.control")


class Controller:
    """Everything that runs around the database of a node that is up."""

    def __init__(self, node: Node, instance: str) -> None:
        self.node = node
        self.history = History(node.home.node_db)
        self.hub = Hub(node.home, self.history, Tally(), meta.revision(node.reader()))
        self.hub.rehash = partial(rehash.rehash, node)
        self.prober = Prober(self.hub)
        self.page = Page(self.hub, node.name)
        self._over = asyncio.Event()
        supervisor = Path(os.environ.get("POSTERN_SUPERVISOR") or node.home.supervisor_sock)
        self.supervision = Supervision(supervisor, instance, self._over.set)
        self._metrics: list[str] = []
        self._configured = -1
        self._reconfiguring = asyncio.Lock()
        self.lookout = Lookout(node)
        node.hub, node.around, node.lookout = self.hub, self, self.lookout

    async def run(self) -> None:
        """Until told to stop."""
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._over.set)
        self.hub.open()
        self.node.consoles = reception = Reception(self.node, self.node.home.control_sock)
        self.node.trials = Trials(self.node.home.node_db, partial(not_kept, self.node))
        self.node.trials.resume()
        self._loop.add_reader(reception, reception.accept)
        await self._reconfigure()
        self.lookout.start()
        lives = (self.supervision.live(), self._tidy(), self._keep_metrics(), self._feel_pulse())
        jobs = [asyncio.create_task(job) for job in lives]
        over = asyncio.create_task(self._over.wait())
        ended, _ = await asyncio.wait({over, *jobs}, return_when=asyncio.FIRST_COMPLETED)
        self._loop.remove_reader(reception)
        reception.close()
        self.node.trials.close()
        for job in jobs:
            job.cancel()
        self.lookout.close()
        self.prober.close()
        self.supervision.close()
        self.hub.close()
        self.history.close()
        for one in ended:
            one.result()  # a job never ends but by a bug: let it be seen, and a successor be started

    # --- what Node asks of it, from any thread ------------------------------------------------------------------

    def possible(self, listeners: Sequence[ListenerSpec]) -> list[str]:
        """See appliance.control.node.Around."""
        return self.supervision.possible(listeners)

    def no_metrics(self) -> list[str]:
        """See appliance.control.node.Around."""
        return self.page.problems

    def changed(self, revision: int, listeners: bool) -> list[str]:
        """See appliance.control.node.Around."""
        problems = self._in_loop(self._reconfigure())
        return [*problems, *(self.supervision.changed(revision) if listeners else [])]

    def _in_loop(self, work: Coroutine[Any, Any, list[str]]) -> list[str]:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    # --- the controller's own use of the configuration ------------------------------------------------------------

    async def _reconfigure(self) -> list[str]:
        """Probe, and listen for metrics, as the configuration says now. What of it cannot be, and why."""
        async with self._reconfiguring:
            connection = self.node.reader()
            revision = meta.config_revision(connection)
            if revision == self._configured:
                return []
            try:
                found = load_snapshot(connection, self.node.name, self.node.vault)
            except SnapshotError as error:
                log.error("%s", error)
                return [str(error)]
            self._configured = revision
            endpoints = {
                (str(service), endpoint)
                for store in found.back_ends.values()
                for service, endpoint in store.endpoints.items()
                if found.services[service].enabled
            }
            self.prober.plan(endpoints, found.limits.probe_seconds, found.limits.breaker_seconds)
            self._metrics = self._metrics_addresses()
            return await self.page.listen(self._metrics)

    def _metrics_addresses(self) -> list[str]:
        """Where this node serves figures: what [node.NAME] says, else what holds for all."""
        objects = self.node.objects()
        here: dict[str, list[str]] = (objects.body("node", self.node.name) or {}).get("metrics") or {}
        everywhere: list[str] = objects.get("metrics")["listen"]
        return here.get("listen", everywhere)

    async def _keep_metrics(self) -> None:
        """An address that another program held, or that did not exist yet, is tried again."""
        known: list[str] = []
        while True:
            problems = await self.page.listen(self._metrics)
            for problem in problems:
                if problem not in known:
                    log.warning("%s; trying again every %g s", problem, RETRY_SECONDS)
            known = problems
            await asyncio.sleep(RETRY_SECONDS)

    async def _feel_pulse(self) -> None:
        while True:
            self.hub.pulse.feel({**self.hub.tally.grown(), **self.node.door.counted}, self._loop.time())
            await asyncio.sleep(PULSE_SECONDS)

    async def _tidy(self) -> None:
        while True:
            try:
                while await asyncio.to_thread(self.node.tidy):
                    await asyncio.sleep(TIDY_PAUSE)
            except sqlite3.Error as error:  # a full disk: the next time, perhaps
                log.warning("what is no longer needed could not be deleted: %s", error)
            await asyncio.sleep(TIDY_SECONDS)


async def _control(node: Node, instance: str) -> None:
    await Controller(node, instance).run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Be the controller of a home. Returns the exit status: 1 if it has a writer already, or cannot be opened."""
    parser = argparse.ArgumentParser(prog="postern-controller")
    parser.add_argument("--home")
    parser.add_argument("--instance", default="controller")
    options = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(levelname)s: %(message)s")
    home = Home.find(options.home)
    try:
        lock = take(home, PATIENCE)
        node = Node.open(home)
        importing.sweep(node)
    except Refused as refused:
        print(f"postern: {refused.text}", file=sys.stderr)
        return 1
    try:
        asyncio.run(_control(node, options.instance))
    except OSError as error:
        print(f"postern: cannot serve {home.path}: {error}", file=sys.stderr)
        return 1
    with contextlib.suppress(sqlite3.Error):
        node.close()
    os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
