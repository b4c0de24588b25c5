"""The node's listening sockets as its configuration wants them, lent to the roles that serve them.

Must never fail because of what cannot be read or opened now: what is open stays so, the rest is tried again.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Final

from appliance import messages
from appliance.home import Home
from appliance.routing.services import listening
from appliance.supervisor import systemd
from appliance.supervisor.listeners import Listeners
from appliance.supervisor.roles import ROLES, Instance
from db.connect import reader
from db.meta import node_name
from db.objects import read_objects

RETRY_SECONDS: Final = 2.0


class Lender:
    """Opens and lends. `problems`: what is wanted and not open now, and why."""

    def __init__(
        self, home: Home, roles: Sequence[str], copies: int, instances: list[Instance], say: Callable[[str], None]
    ) -> None:
        self.problems: list[str] = []
        self.retry_at = math.inf
        self._home = home
        self._services = frozenset[str]().union(*(ROLES[role].services for role in roles))
        self._instances = instances  # the supervisor's own list
        self._say = say
        with contextlib.closing(reader(home.node_db)) as connection:
            self._node = node_name(connection)
        self._listeners = Listeners(copies, systemd.stored(copies))

    def renew(self) -> None:
        """Make the open sockets equal to what the configuration says now, and hand out what changed."""
        known = self.problems
        try:
            wanted = self._wanted()
        except (sqlite3.Error, ValueError) as error:
            self.problems = [f"cannot read which addresses to listen on: {error}"]
        else:
            self._listen(wanted)
            self.problems = self._listeners.problems
        for problem in self.problems:
            if problem not in known:
                self._say(f"{problem}; trying again every {RETRY_SECONDS:.0f} s")
        self.retry_at = time.monotonic() + RETRY_SECONDS if self.problems else math.inf

    def try_out(self, specs: Sequence[messages.ListenerSpec]) -> list[str]:
        """What of these could not be opened, and why; nothing stays open."""
        return self._listeners.try_out(specs)

    def hand_out(self, instance: Instance) -> None:
        """Tell an instance all that its role serves, in as many packets as it takes."""
        copies, services = self._listeners.copies, ROLES[instance.role].services
        if not services:
            return
        specs, sockets = self._listeners.of(services)
        most = messages.MAX_DESCRIPTORS // copies
        for at in range(0, max(len(specs), 1), most):
            part = specs[at : at + most]
            lent = sockets[at * copies : (at + len(part)) * copies]
            message = messages.Listeners(part, copies, more=at + most < len(specs))
            instance.tell(message, [listener.fileno() for listener in lent])

    def close(self) -> None:
        """Listen on nothing any more: who connects from now on is refused, and does not wait in vain."""
        self._services = frozenset()  # whatever the configuration may say meanwhile
        self._listeners.want([])
        self.problems, self.retry_at = [], math.inf

    def _wanted(self) -> list[messages.ListenerSpec]:
        with contextlib.closing(reader(self._home.config_db)) as connection:
            specs = listening(read_objects(connection), self._node)
        return [spec for spec in specs if spec.service in self._services]

    def _listen(self, wanted: list[messages.ListenerSpec]) -> None:
        before = self._listeners.open
        if self._listeners.want(wanted):
            for instance in self._instances:
                self.hand_out(instance)
        now = self._listeners.open
        for spec in before.keys() - now.keys():
            systemd.forget(spec)
        for spec in now.keys() - before.keys():
            systemd.store(spec, now[spec])
