"""What is seen of the node in one look: the values of all topics, put together from what each part knows.

Must never change anything, nor ask a worker. What costs more than a moment is looked at less often.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from appliance.cluster.imports import NOTHING
from appliance.control import configured, mapstate, x509
from appliance.control.alerts import Certificate, LockedOut, Signs, Watchman
from appliance.control.api import Refused
from appliance.control.api.watch import TOPICS
from appliance.control.commands.certificates import served
from appliance.control.headcount import Headcount
from appliance.control.node import Node
from appliance.control.overview import Stores, overview
from appliance.routing.services import listening
from db import audit, bans, maps, meta
from db.objects import Objects

CALMLY: Final = 5.0  # seconds between two looks at the disk, the listeners, the bans
CERTIFICATES: Final = 3600.0
CROWD: Final = ("sessions/", "waiting/")  # what tells that a session came or went, beside log-ins that ended well

Topics = Mapping[str, Any]


class Sight:
    """Puts together what is seen. One thread at a time."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._stores, self._headcount, self._watchman = Stores(), Headcount(), Watchman()
        self._objects: Objects | None = None
        self._crowd: Topics = {}
        self._comings = 0  # grows whenever a session came or went
        self._calm = Calm(node)
        self._lost = (0, 0.0)

    def topics(self, now: float) -> Topics:
        """All topics of api.watch.Watch."""
        node = self._node
        objects = self._configuration()
        users = self._headcount.of(node.reader(), _maps_in_use(objects))
        shown = overview(node, objects, users, self._stores, now)
        trial = _trial(node)
        alerts = self._watchman.alerts(self._signs(objects, shown, trial, now))
        revision = {"revision": shown["revision"], "trial": trial}
        values = (shown, self._sessions(), revision, msgspec.to_builtins(alerts))
        return dict(zip(TOPICS, values, strict=True))

    def _configuration(self) -> Objects:
        if self._objects is None or self._objects.revision != meta.config_revision(self._node.reader()):
            self._objects = self._node.objects()
        return self._objects

    def _sessions(self) -> int:
        totals = self._node.hub.tally.totals() if self._node.hub else {}
        crowd = {key: value for key, value in totals.items() if key.startswith(CROWD) or key.endswith("/ok")}
        self._comings += crowd != self._crowd
        self._crowd = crowd
        return self._comings

    def _signs(self, objects: Objects, shown: Topics, trial: Topics | None, now: float) -> Signs:
        node, hub = self._node, self._node.hub
        standby = {name: objects.get("backend", name)["standby"] for name in objects.names("backend")}
        if hub is not None and hub.history.lost != self._lost[0]:
            self._lost = (hub.history.lost, now)
        calm = self._calm.look(objects, shown["revision"], now)
        states = maps.states(node.reader())
        return Signs(
            now=now,
            runs=hub is not None,
            stores=[{**row, "standby": standby[row["name"]]} for row in shown["backends"]],
            closed=calm.closed,
            workers=len(hub.workers()) if hub else 0,
            laggards=hub.laggards() if hub else (),
            lost=self._lost,
            certificates=calm.certificates,
            locked_out=calm.locked_out,
            room=calm.room,
            trial=trial,
            empty_maps={
                name: services
                for name, services in _maps_in_use(objects).items()
                if not states.get(name, NOTHING).entries
            },
        )


class Calm:
    """What is looked at less often: the disk, the listeners, the bans, the certificates."""

    def __init__(self, node: Node) -> None:
        self.room = 1.0
        self.closed: dict[str, list[str]] = {}
        self.locked_out: list[LockedOut] = []
        self.certificates: list[Certificate] = []
        self._node = node
        self._seen = (-1, 0.0)  # revision, when
        self._certified = (-1, 0.0)  # revision of the configuration, when

    def look(self, objects: Objects, revision: int, now: float) -> Calm:
        """At what is due: by its time, or because something changed."""
        if self._seen[0] != revision or not 0 <= now - self._seen[1] < CALMLY:
            self._seen = (revision, now)
            usage = shutil.disk_usage(self._node.home.path)
            self.room = usage.free / usage.total
            self.closed = _closed(self._node, objects)
            self.locked_out = _locked_out(self._node, now)
        if self._certified[0] != objects.revision or not 0 <= now - self._certified[1] < CERTIFICATES:
            self._certified = (objects.revision, now)
            self.certificates = _certificates(self._node)
        return self


def _trial(node: Node) -> dict[str, Any] | None:
    """The change that waits to be kept."""
    trial = node.trials.current if node.trials else None
    record = audit.get(node.reader(), trial.revision) if trial else None
    if trial is None or record is None:
        return None
    since = trial.until - trial.seconds
    return {"id": trial.id, "change": str(trial.revision), "until": trial.until, "since": since, "what": record.what}


def _maps_in_use(objects: Objects) -> dict[str, list[str]]:
    """The sqlite maps that services look into, and these services."""
    on = [service for service in mapstate.USERS if service in configured.SERVED and objects.get(service)["enabled"]]
    own = [name for name in objects.names("map") if objects.get("map", name)["type"] == "sqlite"]
    found = {name: [service for service in mapstate.used_by(objects, name) if service in on] for name in own}
    return {name: services for name, services in found.items() if services}


def _closed(node: Node, objects: Objects) -> dict[str, list[str]]:
    specs = [spec for spec in listening(objects, node.name) if spec.service in configured.SERVED]
    found: dict[str, list[str]] = {}
    for problem in node.around.possible(specs) if node.around else ():
        service = next((spec.service for spec in specs if f" for {spec.service}:" in problem), "")
        found.setdefault(service, []).append(problem)
    if node.around and (problems := node.around.no_metrics()):
        found["metrics"] = problems
    return found


def _locked_out(node: Node, now: float) -> list[LockedOut]:
    """Whom the node itself banned, for wrong guesses."""
    found = []
    for ban in bans.active(node.reader(), now):
        record = audit.get(node.reader(), ban.rev) if ban.scope == "console" else None
        if record is not None:
            found.append(LockedOut(ban.subject, ban.reason, record.at))
    return found


def _certificates(node: Node) -> list[Certificate]:
    found = []
    try:
        for pair in served(node):
            now, ends = x509.now_utc(), x509.facts(pair.certificate).ends
            problems = x509.problems(pair.certificate, pair.key, pair.names, min(now, ends))
            found.append(Certificate(pair.names[0], ends.timestamp(), problems))
    except (Refused, ValueError) as error:
        found.append(Certificate("*", float("inf"), [str(error)]))
    return found
