"""What a transcript's `given` lines say, as answers: who lives where, who is refused, which store is down.

Used by the pure player as the world itself, and by the live one as the admission of a worker.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from appliance.terms import Credentials, Endpoint, Limits, Refusal, Route, Secret, TlsMode
from tests.transcripts.format import Transcript
from tests.transcripts.words import PROMISED

GIVEN: list[tuple[str, str]] = [
    (r"(\S+) lives on (.+)", "lives"),
    (r"(\S+) has the password (.+)", "password"),
    (r"(\S+) is refused (\S+)", "refused"),
    (r"(\S+) may act as (\S+)", "may_act"),
    (r"(\w+) is down(?: (\d+) times)?", "down"),
    (r"(\w+) uses starttls()", "starttls"),
    (r"(\w+) has a bad certificate()", "bad_certificate"),
    (r"(\w+) wants introductions()", "native"),
    (r"(\w+) is entered as (.+)", "master"),
    (r"too many sessions are on (\w+)()", "crowded"),
]


@dataclass
class World:
    """Everything around a conversation."""

    lives: dict[str, list[str]] = field(default_factory=dict)
    password: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    may_act: dict[str, str] = field(default_factory=dict)
    down: dict[str, str] = field(default_factory=dict)
    starttls: dict[str, str] = field(default_factory=dict)
    bad_certificate: dict[str, str] = field(default_factory=dict)
    native: dict[str, str] = field(default_factory=dict)
    master: dict[str, str] = field(default_factory=dict)
    crowded: dict[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    promised: frozenset[str] = frozenset()
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    admitted: list[str] = field(default_factory=list)  # names, in the order they came

    @classmethod
    def of(cls, transcript: Transcript, places: Mapping[str, tuple[str, int]] | None = None) -> World:
        """The world that a transcript describes; `places` are the stores' host and port. Raises ValueError."""
        world = cls(places=places or {}, promised=PROMISED.get(transcript.service, frozenset()))
        for line in transcript.given:
            if not line.startswith(("door ", "whole packets", "pure")):
                world._learn(line)
        return world

    def _learn(self, line: str) -> None:
        if line.startswith("limits "):
            numbers = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", line)}
            whole = {
                name: int(value) if name in ("attempts", "retries", "preauth_commands") else value
                for name, value in numbers.items()
            }
            self.limits = msgspec.structs.replace(self.limits, **whole)
            return
        if line.startswith("every store offers"):
            self.promised = frozenset(line.split()[3:])
            return
        for pattern, name in GIVEN:
            if match := re.fullmatch(pattern, line):
                value = match[2] or ""
                getattr(self, name)[match[1]] = re.split(r",\s*then\s+", value) if name == "lives" else value
                return
        raise ValueError(f"given what: {line!r}?")

    def admit(self, credentials: Credentials) -> Route | Refusal:
        """The answer of admission."""
        name = credentials.name
        self.admitted.append(name)
        if name in self.refused:
            return Refusal(self.refused[name])
        if name in self.password and self.password[name].encode() != credentials.password.reveal():
            return Refusal.BAD_CREDENTIALS
        if credentials.authzid and self.may_act.get(name) != credentials.authzid:
            return Refusal.NOT_PERMITTED
        mailbox = credentials.authzid or name
        stores = self.lives.get(mailbox)
        if stores is None:
            return Refusal.UNKNOWN_HERE
        return self._route(mailbox, stores.pop(0) if len(stores) > 1 else stores[0], credentials.password)

    def _route(self, mailbox: str, store: str, password: Secret) -> Route:
        authcid = mailbox
        if store in self.master:
            authcid, _, word = self.master[store].partition(" with ")
            password = Secret(word.encode())
        full = "a limit" if store in self.crowded else ""
        return Route(self.endpoint(store), mailbox, mailbox, authcid, password, "map people", full)

    def endpoint(self, store: str) -> Endpoint:
        """Where and how a store is reached."""
        host, port = self.places.get(store, ("192.0.2.1", 143))
        tls = TlsMode.STARTTLS if store in self.starttls else TlsMode.NONE
        address = "native" if store in self.native else "none"
        return Endpoint(store, host, port, tls, tls_name=f"{store}.example.test", client_address=address)

    def dial(self, store: str) -> Refusal | None:
        """The answer to Dial: `down 2 times` runs out, `down` does not."""
        times = self.down.get(store)
        if times is None or times == "0":
            return None
        if times:
            self.down[store] = str(int(times) - 1)
        return Refusal.BACKEND_DOWN
