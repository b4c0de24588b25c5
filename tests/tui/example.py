"""What a believable node tells: for tests of the screens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from appliance.control.api import Done, Event, Reply, Request
from appliance.control.api.accounts import AccountList
from appliance.control.api.audit import AuditList
from appliance.control.api.backends import BackendList
from appliance.control.api.bans import BanList
from appliance.control.api.console import ConsoleWho
from appliance.control.api.live import LogTail, Route, SessionKick, SessionList, SessionPage
from appliance.control.api.watch import Find
from tests.tui.fake import WHO, Answer, FakeNode

NOW = time.time()
MARIA = "maria@example.org"


def service(name: str, state: str = "on", **more: Any) -> dict[str, Any]:
    """One of the overview."""
    return {"name": name, "state": state, "reason": "", "sessions": 0, "per_minute": [0] * 12, "failed": 0,
            "failed_per_minute": [0] * 12, "log_ins": 0, "slowest_ms": None, **more}  # fmt: skip


def store(name: str, state: str = "up", **more: Any) -> dict[str, Any]:
    """One of the overview."""
    return {"name": name, "state": state, "reason": "", "since": None, "sessions": 0, "users": 0, "answers_ms": 2,
            **more}  # fmt: skip


OVERVIEW: dict[str, Any] = {
    "node": "mail1", "version": "0.1.0", "state": "running", "revision": 12,
    "services": [
        service("imap", sessions=4812, per_minute=[*range(180, 191), 7], failed=3, log_ins=212, slowest_ms=38),
        service("pop3", sessions=117),
        service("sieve", "stopped", reason="port 4190 is taken"),
        service("smtp", "off"),
        service("webmail", "unavailable"),
    ],
    "backends": [
        store("mail1", sessions=1702, users=3410),
        store("mail3", "down", users=402, answers_ms=None, reason="imap: Connection refused", since=NOW - 600),
    ],
    "queue": {"messages": 0}, "cluster": {"state": "single", "nodes": 1},
}  # fmt: skip
ALERTS = [
    {"id": "a", "level": "problem", "text": "mail3 is down: 402 people cannot log in", "screen": "backends",
     "subject": "mail3", "since": NOW - 600},
    {"id": "b", "level": "warning", "text": "18 failed log-ins of it@example.org", "screen": "person",
     "subject": "it@example.org", "since": NOW - 60},
]  # fmt: skip
REVISION: dict[str, Any] = {"revision": 12, "trial": None}


def session(number: int, user: str = "") -> dict[str, Any]:
    """A live one."""
    return {"id": f"1f-{number}", "user": user or f"person{number}@example.org", "service": "imap",
            "from": f"198.51.100.{number % 250}:50000", "backend": "mail1", "since": NOW - number, "in": number,
            "out": 1000 * number, "state": "relay"}  # fmt: skip


SESSIONS = [session(1, MARIA), session(2, MARIA), *(session(number) for number in range(3, 700))]


def page(request: SessionPage) -> dict[str, Any]:
    """As the node's."""
    found = [one for one in SESSIONS if request.text in one["user"]]
    found.sort(key=lambda one: one[request.sort], reverse=request.down)
    return {"sessions": found[: request.limit], "matching": len(found), "total": len(SESSIONS)}


def route(request: Route) -> dict[str, Any]:
    """To mail1, unless that is down."""
    steps = [
        {"name": "name", "result": request.address, "source": "site", "age": 0.0, "ms": 0.01},
        {"name": "mailbox", "result": "lives on mail1", "source": "map people", "age": 0.0, "ms": 0.01},
        {"name": "back-end", "result": "mail1 is down" if request.down else "mail1 serves", "source": "health",
         "age": 7.0, "ms": 0.01},
    ]  # fmt: skip
    verdict, told = ("temporary", "NO [UNAVAILABLE]") if request.down else ("route", "OK")
    ending = {"verdict": verdict, "told": told}
    return {"address": request.address.lower(), "service": request.service, "backend": "mail1", "host": "10.0.0.1",
            "port": 10143, "login": request.address.lower(), "steps": steps, "refusal": "", **ending}  # fmt: skip


def log(request: LogTail) -> Iterator[Reply]:
    """One failure."""
    yield Event({"at": NOW - 5, "session": "s1", "service": "imap", "user": request.user or MARIA, "backend": "",
                 "client": "203.0.113.9:4", "source": "", "refusal": "bad-credentials", "why": "wrong password",
                 "ms": [0.1, 12.0]})  # fmt: skip
    yield Done()


ANSWERS: dict[type[Request], Answer] = {
    ConsoleWho: WHO,
    SessionPage: page,
    SessionList: lambda request: [one for one in SESSIONS if one["user"] == request.user],
    SessionKick: {"kicked": 1},
    Route: route,
    LogTail: log,
    Find: lambda request: [{"address": MARIA, "map": "people", "backend": "mail1", "account": "on"}],
    AccountList: lambda request: [{"address": request.prefix, "state": "on", "scheme": "argon2id"}],
    BanList: [],
    AuditList: [],
    BackendList: [{"name": name, "state": "on", "health": "up", "reason": ""} for name in ("mail1", "mail2")],
}


def node(answers: Mapping[type[Request], Answer] | None = None, **facts: Any) -> FakeNode:
    """A node that says all this, and what a test adds."""
    watched = {"overview": OVERVIEW, "alerts": ALERTS, "revision": REVISION, "sessions": 1, **facts}
    return FakeNode({**ANSWERS, **(answers or {})}, watched)
