"""A believable node's answers about its configuration: for tests of those screens."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from textual.widgets import Input

from appliance.control.api import Done, Refused, Request
from appliance.control.api.admins import AdminList
from appliance.control.api.audit import AuditList, AuditShow
from appliance.control.api.bans import BanList
from appliance.control.api.certificates import CertCheck, CertList
from appliance.control.api.services import ServiceList, ServiceSet, ServiceShow
from appliance.control.api.trial import Try
from tests.tui.example import node
from tests.tui.fake import Answer, FakeNode
from tests.tui.stage import Stage

EVIL = "\x1b]52;c;aGk=\x07\x1b[2J\u202e"  # copies, clears, turns round


def setting(name: str, default: Any, value: Any = None, **more: Any) -> dict[str, Any]:
    """As of ServiceShow; set if a value is given."""
    return {"name": name, "value": default if value is None else value, "set": value is not None, "default": default,
            "unit": "", "help": f"What {name} is.", "type": "text", "choices": [], "minimum": None, "maximum": None,
            "required": False, "file": False, "secret": False, "live": True, "scope": "site", **more}  # fmt: skip


SETTINGS = {
    "limits": [
        setting("attempts", 4, minimum=1, maximum=1_000_000, type="int"),
        setting("idle_seconds", 2100, 900, unit="seconds", type="seconds"),
    ],
    "auth": [setting("method", "internal", type="choice", choices=["internal", "ldap", "backend"])],
    "smtp": [
        setting("enabled", True),
        setting("relay_password_file", "", "<kept>", type="secret", file=True, secret=True),
    ],
    "imap": [setting("enabled", True), setting("listen_tls", ["[::]:993"]), setting("failover", "", EVIL)],
    "site": [setting("domains", [], ["example.org"])],
    "metrics": [setting("listen", ["127.0.0.1:9153"])],
}


def shown(request: ServiceShow) -> dict[str, Any]:
    """One of them."""
    return {"name": request.name, "settings": SETTINGS[request.name]}


def service(name: str, state: str = "on", **more: Any) -> dict[str, Any]:
    """As of ServiceList."""
    return {"name": name, "enabled": state != "off", "listen": [], "listen_tls": ["[::]:993"], "map": ["people"],
            "failover": "", "state": state, "reason": "", **more}  # fmt: skip


CERTIFICATES = [
    {"names": ["*"], "subject": f"CN=a{EVIL}", "issuer": "CN=R11", "from": "2026-09-01T00:00:00+00:00",
     "until": "2026-11-29T00:00:00+00:00", "days": 6, "key": "EC P-256", "own": False},
]  # fmt: skip


def check(_: CertCheck) -> Done:
    """Refused, with its rows."""
    rows = [{"names": ["*"], "ok": False, "problems": ["it expires in 6 days"], "days": 6}]
    raise Refused("*: it expires in 6 days", value=rows)


ADMINISTRATORS = [
    {"name": "jonas", "role": "operator", "password": True, "totp": True, "seen": time.time() - 3 * 86400,
     "keys": [{"fingerprint": "SHA256:jjjj", "comment": f"jonas@laptop{EVIL}"}]},
    {"name": "maria", "role": "owner", "password": False, "totp": False, "seen": None, "keys": []},
]  # fmt: skip


def change(number: int, what: str = "service set limits attempts", verdict: str = "done") -> dict[str, Any]:
    """As of AuditList."""
    at = (datetime.now(UTC) - timedelta(minutes=1000 - number)).isoformat(timespec="seconds")
    return {"id": str(number), "entry": f"e{number}", "at": at, "by": f"maria{EVIL}", "origin": "ssh 192.0.2.7",
            "what": what, "verdict": verdict}  # fmt: skip


def changes(request: AuditList) -> list[dict[str, Any]]:
    """300 of them, by pages."""
    before = request.before or 301
    return [change(number, f"backend drain mail{number}") for number in range(before - 1, 0, -1)][: request.limit]


def one_change(request: AuditShow) -> dict[str, Any]:
    """With its differences."""
    keys = [{"key": "attempts", "old": 4, "new": 7}, {"key": "note", "old": None, "new": EVIL}]
    return {**change(int(request.id)), "conflict": "",
            "changes": [{"table": "object", "key": {"kind": "limits", "name": ""}, "keys": keys}]}  # fmt: skip


def bans() -> list[dict[str, Any]]:
    """Two."""
    until = (datetime.now(UTC) + timedelta(minutes=75, seconds=30)).isoformat(timespec="seconds")
    return [
        {"scope": "address", "subject": "203.0.113.7", "until": until, "reason": f"guesses{EVIL}"},
        {"scope": "account", "subject": f"old{EVIL}@example.org", "until": "", "reason": ""},
    ]


ANSWERS: dict[type[Request], Answer] = {
    ServiceShow: shown,
    ServiceSet: {"revision": 13},
    ServiceList: [
        service("imap"),
        service("pop3", reason="cannot listen on [::]:995: taken"),
        service("sieve", "off"),
        service("smtp", "unavailable", reason="not served"),
    ],
    Try: {"id": "t", "until": time.time() + 60, "done": {"revision": 13}},
    CertList: CERTIFICATES,
    CertCheck: check,
    AdminList: ADMINISTRATORS,
    AuditList: changes,
    AuditShow: one_change,
    BanList: lambda _: bans(),
}


def configured(answers: Mapping[type[Request], Answer] | None = None, **facts: Any) -> FakeNode:
    """A node that says all this, and what a test adds."""
    return node({**ANSWERS, **(answers or {})}, **facts)


def asked(node: FakeNode, kind: type[Request]) -> list[Request]:
    """All requests of a kind that it was sent."""
    return [one for one in node.asked if type(one) is kind]


async def fill(stage: Stage, text: str | None = None) -> None:
    """Into the line that is open, in the place of what stands there, or that as it is; then Enter."""
    await stage.until(lambda: isinstance(stage.app.focused, Input), "a line to type in")
    line = stage.app.focused
    assert isinstance(line, Input)
    line.value = line.value if text is None else text
    await stage.press("enter")
