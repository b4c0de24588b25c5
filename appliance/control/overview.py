"""The node on one screen: what each service and each store does now, and has done of late.

Must never wait for anybody: it says what is known here. Figures that tremble are held still, so that nothing is told
where nothing changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, Final

import msgspec

from appliance.control import configured
from appliance.control.node import Node
from appliance.control.pulse import Pulse
from appliance.messages import BackendState
from appliance.terms import Service
from db import meta
from db.objects import Objects

SLOW_MS: Final = 1000  # to greet
NO_NEWS: Final = 0.5  # of a time: less of a difference is none
NO_NEWS_MS: Final = 20

Row = dict[str, Any]


class Stores:
    """What was last said of each store: since when it is so, and how fast it answers."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, float | None, int | None]] = {}  # state, since, milliseconds

    def say(self, name: str, state: str, ms: float | None, now: float) -> tuple[float | None, int | None]:
        """Since when it is in this state (None: all is well, or it was so before anybody looked), and its time."""
        known = self._said.get(name)
        if known is None:
            since = None if state in ("up", "drain", "unknown") else now
        elif known[0] == state or {known[0], state} == {"partly", "down"}:
            since = known[1]
        else:
            since = None if state in ("up", "unknown") else now
        held = _held(known[2] if known else None, ms)
        self._said[name] = (state, since, held)
        return since, held


def _held(known: int | None, ms: float | None) -> int | None:
    if ms is None:
        return None
    if known is not None and abs(ms - known) <= max(NO_NEWS * known, NO_NEWS_MS):
        return known
    return round(ms)


def overview(node: Node, objects: Objects, users: Mapping[str, int], stores: Stores, now: float) -> Row:
    """See api.watch.Watch. `users`: of each back-end."""
    return {
        "node": node.name,
        "version": version("postern"),
        "state": "running" if node.hub else "stopped",
        "revision": meta.revision(node.reader()),
        "services": list(_services(node, objects)),
        "backends": list(_backends(node, objects, users, stores, now)),
        "queue": {"messages": 0},
        "cluster": {"state": "single", "nodes": 1},
    }


def _services(node: Node, objects: Objects) -> Iterator[Row]:
    pulse = node.hub.pulse if node.hub else Pulse()
    sessions = node.hub.tally.by_label("sessions", "service") if node.hub else Counter[str]()
    sessions[Service.CONSOLE] = len(node.consoles.processes()) if node.consoles else 0
    for name in Service:
        beats = msgspec.structs.asdict(pulse.of(name))
        state = configured.service_state(node, objects, name)
        yield {"name": str(name), **state, "sessions": sessions.get(name, 0), **beats}


def _backends(node: Node, objects: Objects, users: Mapping[str, int], stores: Stores, now: float) -> Iterator[Row]:
    sessions: Mapping[str, int] = node.hub.tally.by_label("sessions", "backend") if node.hub else Counter()
    for name in objects.names("backend"):
        found = backend_state(node, objects, name)
        ms = node.hub.states.usual_ms(name) if node.hub and found["state"] in ("up", "drain") else None
        if found["state"] == "up" and ms is not None and ms >= SLOW_MS:
            found = {"state": "slow", "reason": "it takes long to greet"}
        since, answers = stores.say(name, found["state"], ms, now)
        yield {
            "name": name,
            **found,
            "since": since,
            "sessions": sessions.get(name, 0),
            "users": users.get(name, 0),
            "answers_ms": answers,
        }


def backend_state(node: Node, objects: Objects, name: str) -> dict[str, str]:
    """state: up | down | partly | drain | unknown; reason: why it is not up."""
    if objects.get("backend", name)["state"] == "drain":
        return {"state": "drain", "reason": "no new sessions are sent there"}
    known = [state for state in node.hub.states.all() if state.backend == name] if node.hub else []
    down = [state for state in known if not state.up]
    reason = "; ".join(_why(state) for state in down)
    if not down:
        return {"state": "up" if known else "unknown", "reason": reason}
    return {"state": "down" if len(down) == len(known) else "partly", "reason": reason}


def _why(state: BackendState) -> str:
    return f"{state.service}: {state.reason}" if state.service else state.reason
