"""The console's door: passwords and codes of administrators, failed tries, who was seen when and from where.

Must never tell by its answer or by the clock whether there is an administrator of a name, nor put a password, a code or
a secret into a message. What cannot be written to node.db is logged, and keeps nobody out.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Final

from appliance.control import onetime
from appliance.control.doorkeeper import Doorkeeper
from appliance.control.entered import Entered
from appliance.control.onetime import Codes
from appliance.routing import passwords
from appliance.routing.bans import Bans
from appliance.routing.networks import client_key
from db import bans, connect, console, meta
from db.admins import Admin

HASHES: Final = 2  # computed at a time: a flood of passwords must leave a core to everybody else
NO_SECRET: Final = "A" * onetime.LENGTH  # what a code is compared with where there is no secret, to last as long

log = logging.getLogger("postern.control")


class Door:
    """Threads may share it."""

    def __init__(self, node_db: Path) -> None:
        self.keeper = Doorkeeper()
        self._node_db = node_db
        self._codes = Codes(node_db)
        self._hashing = threading.BoundedSemaphore(HASHES)
        self.counted: Counter[str] = Counter()  # log-ins, as workers count theirs: see tally.METRICS
        self._bans: tuple[int, Bans, dict[str, float]] = (-1, Bans(), {})

    # --- what they know -------------------------------------------------------------------------------------------

    def knows_password(self, admin: Admin | None, password: str) -> bool:
        """Whether it is this administrator's. Raises UnknownScheme."""
        with self._hashing:
            if admin is None or not admin.password:
                passwords.verify_nobody(password.encode())
                return False
            return passwords.verify(admin.password, password.encode())

    def knows_code(self, admin: Admin | None, secret: str, code: str, used: bool = True) -> bool:
        """Whether it is a code of this secret that was not used before. `used`: if so, it is used now."""
        step = onetime.step_of(secret or NO_SECRET, code[:16], time.time())
        if admin is None or not secret or not step:
            return False
        return not used or self._codes.use(admin.name, secret, step)

    # --- who may try ----------------------------------------------------------------------------------------------

    def is_open(self, database: sqlite3.Connection, client: str) -> bool:
        """Whether this client address may try to log in."""
        revision = meta.revision(database)
        if self._bans[0] != revision:
            found = bans.all(database)
            here = {ban.subject: ban.until for ban in found if ban.scope == "console"}
            self._bans = (revision, Bans(found), here)
        _, everywhere, here = self._bans
        until = here.get(client_key(client))
        if until is not None and (not until or until > time.time()):
            return False
        return not everywhere.address(client) or self.is_trusted(client)

    def is_trusted(self, client: str) -> bool:
        """Whether a key let somebody in from there within a day: others behind that address must not shut him out."""
        try:
            with closing(connect.reader(self._node_db)) as database:
                return console.is_trusted(database, client_key(client), time.time())
        except sqlite3.Error as error:
            log.error("who came in from where could not be looked up: %s", error)
            return False

    # --- who comes in -----------------------------------------------------------------------------------------------

    def failed(self, client: str, tries: int) -> bool:
        """Count; whether this client failed too often."""
        self.counted["logins/console/failed"] += tries
        return self.keeper.failed(client, tries)

    def came_in(self, entered: Entered) -> None:
        """Count; write down who, when, and from where if it was by a key."""
        now = time.time()
        self.counted["logins/console/ok"] += 1
        log.info("console: %s is in from %s", entered.name, entered.client)
        try:
            with closing(connect.writer(self._node_db)) as database:
                console.came_in(database, entered.name, now)
                if entered.by_key:
                    console.trust(database, client_key(entered.client), now)
        except sqlite3.Error as error:
            log.error("that %s came in could not be written down: %s", entered.name, error)

    def seen(self) -> dict[str, float]:
        """When each administrator last came in here. Raises sqlite3.Error."""
        with closing(connect.reader(self._node_db)) as database:
            return console.seen(database)
