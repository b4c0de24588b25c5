"""A config.db made by hand, as the applier would leave it: for tests of what reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from appliance.routing.admission import Admission
from appliance.routing.usermap import Work
from appliance.terms import Credentials, Peer, Refusal, Route, Secret, Service
from appliance.vault import Vault
from db.connect import transaction, writer
from db.migrate import migrate

MARIA = "maria@example.test"
OTTO = "otto@example.test"
PEER = Peer(Service.IMAP, "192.0.2.7", 40000, True)


class Configuration:
    """The only writer of a database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.vault = Vault(Fernet.generate_key())
        self.writer = writer(path)
        self.revision = 0
        migrate(self.writer, "config")
        self.writer.execute("PRAGMA synchronous = OFF")  # a test's data need not survive a power cut
        self.set("site", "", domains=["example.test"])
        self.set("backend", "alpha", imap="192.0.2.1:143")
        self.set("backend", "beta", imap="192.0.2.2:143")
        self.set("map", "people")
        self.set("imap", "", listen=["127.0.0.1:2143"])
        self.set("auth", "", method="backend")
        self.put("people", {MARIA: "alpha", OTTO: "beta"})

    def set(self, kind: str, name: str, /, **body: Any) -> None:
        """Make a configuration object exactly this."""
        self.writer.execute("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?)", (kind, name, json.dumps(body), 1))
        self._step("config_revision")

    def put(self, name: str, entries: dict[str, str]) -> None:
        """A new load of a map: exactly these entries."""
        load = self.revision + 1
        rows = [(load, address, back_end, load) for address, back_end in entries.items()]
        with transaction(self.writer):
            self.writer.executemany("INSERT INTO map_entry VALUES (?, ?, ?, ?)", rows)
        values = (name, load, 0, 0, len(rows), load)
        self.writer.execute("INSERT OR REPLACE INTO map_state VALUES (?, ?, ?, ?, ?, ?)", values)
        self._step()

    def account(self, address: str, stored: str, state: str = "on") -> None:
        """An internal account."""
        self.writer.execute("INSERT OR REPLACE INTO account VALUES (?, ?, ?, 1)", (address, stored, state))
        self._step()

    def ban(self, scope: str, subject: str, until: float = 0) -> None:
        """A ban."""
        self.writer.execute("INSERT OR REPLACE INTO ban VALUES (?, ?, ?, 'test', 1)", (scope, subject, until))
        self._step()

    def settle(self) -> None:
        """All into the main file, nothing in the write-ahead log."""
        self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _step(self, *also: str) -> None:
        self.revision += 1
        for name in ("revision", *also):
            self.writer.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, self.revision))


class Pool:
    """An offload that runs what it was given when told to, like a thread that takes its time."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Work, Callable[[Any], None]]] = []
        self.full = False

    def __call__(self, work: Work, done: Callable[[Any], None]) -> bool:
        """Take the work, or refuse it."""
        if not self.full:
            self.waiting.append((work, done))
        return not self.full

    def run(self) -> int:
        """Do all of it. Returns how much there was."""
        count = 0
        while self.waiting:
            work, done = self.waiting.pop(0)
            count += 1
            try:
                result = work()
            except Exception as error:
                result = error
            done(result)
        return count


class Worker:
    """An Admission with everything around it recorded."""

    def __init__(self, configuration: Configuration, node: str = "alpha") -> None:
        self.pool = Pool()
        self.rehashes: list[tuple[str, str, str]] = []
        self.states: list[tuple[str, str, bool, str]] = []
        self.admission = Admission(
            configuration.path,
            node,
            configuration.vault,
            self.pool,
            lambda *wanted: self.rehashes.append(wanted),
            lambda *state: self.states.append(state),
        )

    def admit(self, name: str, password: str = "secret", peer: Peer = PEER, authzid: str = "") -> Route | Refusal:
        """The verdict, after whatever work it takes."""
        answers: list[Route | Refusal] = []
        credentials = Credentials(name, Secret(password.encode()), authzid)
        verdict = self.admission.admit(peer, credentials, answers.append)
        if verdict is None:
            assert not answers
            self.pool.run()
            (verdict,) = answers
        return verdict

    def refused(self, name: str, refusal: Refusal, elapsed: float = 0.0, password: str = "wrong") -> float:
        """How long the refusal is held."""
        return self.admission.refused(PEER, Credentials(name, Secret(password.encode())), refusal, elapsed)


def backend_of(verdict: Route | Refusal) -> str:
    """The back-end of a route; the refusal's own name otherwise."""
    return verdict.endpoint.backend if isinstance(verdict, Route) else str(verdict)
