"""Keeps a worker's view of config.db current: renewed each second, and at once when the controller has news.

Must never let go of a configuration that works for one that does not: if the new one cannot be served, or the database
cannot be read, the old one stays in force and the log says so once.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from appliance.routing.bans import Bans
from appliance.routing.decision import View, view
from appliance.routing.health import Health
from appliance.routing.snapshot import Snapshot, SnapshotError, load_snapshot
from appliance.routing.tables import Tables
from appliance.vault import Vault
from db import bans

_LOG: Final = logging.getLogger(__name__)


class Watch:
    """The view now in force, and what replaces it."""

    view: View  # set by `begin`

    def __init__(
        self, config_db: Path, node: str, vault: Vault, health: Health, changed: Callable[[Snapshot], None]
    ) -> None:
        self.tables = Tables(config_db)
        self.revision = -1  # everything up to here is in force
        self._node = node
        self._vault = vault
        self._health = health
        self._changed = changed
        self._said = ""

    def begin(self) -> None:
        """Read everything for the first time. Raises SnapshotError or sqlite3.Error."""
        self.tables.renew()
        self._read(load_snapshot(self.tables.connection, self._node, self._vault))

    def renew(self) -> int:
        """See what was committed meanwhile. Returns the revision now in force."""
        if not self.tables.renew():
            self._say(self.tables.problem)
        elif self.tables.revision != self.revision:
            try:
                self._read(self._snapshot())
            except (SnapshotError, sqlite3.Error) as error:
                self._say(f"the configuration of revision {self.revision} stays in force: {error}")
        else:
            self._said = ""
        return self.revision

    def _snapshot(self) -> Snapshot:
        """A new one only if the configuration changed, not data."""
        now = self.view.snapshot
        if now.revision == self.tables.config_revision:
            return now
        return load_snapshot(self.tables.connection, self._node, self._vault)

    def _read(self, snapshot: Snapshot) -> None:
        self.view = view(snapshot, self.tables, Bans(bans.all(self.tables.connection)), self._health)
        self.revision = self.tables.revision
        self._changed(snapshot)
        self._said = ""

    def _say(self, problem: str) -> None:
        if problem != self._said:
            _LOG.error("%s", problem)
            self._said = problem
