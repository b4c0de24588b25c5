"""A node with maps and stores that answers what a test says, for the screens about people's data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from textual.widgets import Input

from appliance.control.api import Done, Progress, Refused, Reply, Request
from appliance.control.api.accounts import AccountList, AccountPassword
from appliance.control.api.backends import BackendAdd, BackendCheck, BackendEnable, BackendList, BackendSet, BackendShow
from appliance.control.api.console import ConsoleWho
from appliance.control.api.live import LogTail, SessionList
from appliance.control.api.maps import (
    MapCreate,
    MapDelete,
    MapEntries,
    MapImport,
    MapList,
    MapPut,
    MapSet,
    MapShow,
    MapUndo,
)
from appliance.control.api.uploads import ConsoleUploads
from tests.tui.fake import WHO, Answer, FakeNode
from tests.tui.stage import Stage

NOW = time.time()
DONE = {"revision": 8}
OTHERS: dict[str, Any] = {
    "name": "others", "type": "sqlite", "entries": 3, "used_by": [], "changed": NOW - 3 * 3600 - 60, "by": "jonas"
}  # fmt: skip
PEOPLE = {**OTHERS, "name": "people", "entries": 250, "used_by": ["imap"]}
FILED: dict[str, Any] = {"name": "filed", "type": "file", "entries": None, "used_by": [], "changed": None, "by": ""}
ADDRESSES = [f"u{number:03}@x.test" for number in range(250)]
STORES = [
    {"name": name, "imap": f"{name}.x.test:143", "tls": "none", "state": "on", "standby": "", "health": "up",
     "sessions": 4, "reason": ""}
    for name in ("mail1", "mail2")
]  # fmt: skip
REPORT: dict[str, Any] = {
    "map": "people", "format": "csv", "reason": "its first line has a comma", "read": 4, "new": 1, "moved": 1,
    "gone": 0, "same": 0, "duplicates": 0, "errors_total": 2, "applied": False, "absent": 248,
    "first": [[1, "\x1b[2Jevil", "mail1"]], "moves": [["mail1", "mail2", 1]],
    "errors": [{"line": 3, "text": "no \x1b]52;c;eA==\x07 address"}] * 2,
    "examples": {"new": [["n@x.test", "mail1"]], "moved": [["u000@x.test", "mail1", "mail2"]], "gone": []},
}  # fmt: skip


def map_show(request: MapShow) -> dict[str, Any]:
    found = {"people": PEOPLE, "others": OTHERS, "filed": FILED}[request.name]
    if found is FILED:
        return {**found, "settings": [{"name": "path", "value": "/etc/people", "set": True}]}
    return {**found, "settings": [], "backends": {"mail1": found["entries"]}, "changed": 5,
            "undo": {"entries": 240, "until": NOW + 86400}}  # fmt: skip


def map_entries(request: MapEntries) -> dict[str, Any]:
    found = [one for one in ADDRESSES if request.filter in one and one > request.after]
    return {"entries": [[one, "mail1"] for one in found[: request.limit]], "more": len(found) > request.limit}


def map_import(request: MapImport) -> Iterator[Reply]:
    yield Progress("reading", 50, 100)
    if not request.skip_errors:
        raise Refused("2 lines are wrong", value=REPORT)
    yield Progress("writing", 1, 2)
    yield Done({**REPORT, "applied": True})


def node(role: str = "owner", **answers: Any) -> FakeNode:
    """A node with two maps of entries, one that is a file, and two stores."""
    upload = {"name": "users.csv", "by": "jonas", "size": 1000, "at": NOW}
    table: dict[type[Request], Answer] = {
        ConsoleWho: {**WHO, "role": role}, MapList: [FILED, OTHERS, PEOPLE], MapShow: map_show, MapEntries: map_entries,
        MapPut: {"before": None}, MapSet: DONE, MapDelete: DONE, MapCreate: DONE,
        MapUndo: {"entries": 240}, MapImport: map_import,
        BackendList: STORES, BackendSet: DONE, BackendAdd: DONE, BackendEnable: DONE,
        SessionList: [{"id": "1"}, {"id": "2"}],
        ConsoleUploads: [upload],
        BackendShow: lambda asked: {**STORES[0], "name": asked.name, "settings": [], "used_by": ["failover of imap"]},
        BackendCheck: [],
    }  # fmt: skip
    kinds: list[type[Request]] = [*table, LogTail, AccountList, AccountPassword]
    named = {kind.__name__: kind for kind in kinds}
    return FakeNode({**table, **{named[name]: answer for name, answer in answers.items()}},
                    {"revision": {"revision": 7, "trial": None}})  # fmt: skip


def last(fake: FakeNode, kind: type[Request]) -> Any:
    """The latest request of a kind."""
    return [request for request in fake.asked if isinstance(request, kind)][-1]


async def answer(stage: Stage, question: str, text: str) -> None:
    """A prompt, and what is typed into it."""
    await stage.sees(question)
    await stage.until(lambda: isinstance(stage.app.focused, Input), "a line to type in")
    await stage.type(text)
    await stage.press("enter")


