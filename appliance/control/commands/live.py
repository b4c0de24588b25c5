"""What goes on now: asked of the workers through the hub, or said of a stopped node as far as its files know."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec

from appliance.control import configured
from appliance.control.api import Done, Event, Progress, Refused, Reply, Request
from appliance.control.api.live import LogTail, Route, SessionKick, SessionList, SessionPage, Status
from appliance.control.commands import OPERATOR, VIEWER, By, Command, Node, bounded
from appliance.control.history import Wanted, recent
from appliance.control.overview import backend_state
from appliance.messages import MAX_WORD, Outcome, SessionRow
from appliance.routing.explain import explain
from appliance.routing.health import Health
from appliance.routing.networks import client_key
from appliance.routing.services import SESSIONS
from appliance.routing.snapshot import SnapshotError, load_snapshot
from appliance.terms import Refusal, Service
from db import meta
from db.connect import writer
from db.history import KEPT

if TYPE_CHECKING:  # a command on a stopped node needs no event loop
    from appliance.control.hub import Hub

OUTCOMES: Final = ("ok", "refused", *Refusal)
SORTS: Final = {  # key of a session's value: of its row
    "user": "user", "service": "service", "from": "client", "backend": "backend", "since": "since",
    "in": "octets_in", "out": "octets_out", "state": "state",
}  # fmt: skip
HEARTBEAT: Final = 1.0  # seconds between two signs of life in a stream: a client that is gone is noticed by them


def status(node: Node, by: By, request: Status, file: BinaryIO | None) -> Done:
    """The node at a glance."""
    objects, hub = node.objects(), node.hub
    by_service: Mapping[str, int] = hub.tally.by_label("sessions", "service") if hub else Counter()
    by_backend: Mapping[str, int] = hub.tally.by_label("sessions", "backend") if hub else Counter()
    value = {
        "node": node.name,
        "version": version("postern"),
        "state": "running" if hub else "stopped",
        "services": [
            {"name": str(name), **configured.service_state(node, objects, name), "sessions": by_service.get(name, 0)}
            for name in Service
        ],
        "backends": [
            {"name": name, **backend_state(node, objects, name), "sessions": by_backend.get(name, 0)}
            for name in objects.names("backend")
        ],
        "queue": {"messages": 0},
        "cluster": {"state": "single", "nodes": 1},
        "revision": meta.revision(node.reader()),
        "workers": hub.workers() if hub else [],
    }
    return Done(value, _behind(hub.laggards() if hub else []))


def sessions(node: Node, by: By, request: SessionList, file: BinaryIO | None) -> Done:
    """All workers' sessions."""
    if node.hub is None:
        return Done([], "the node does not run: it has no sessions")
    _refuse_longer_than_any(request)
    rows, missing = node.hub.sessions(request.user, request.service, request.backend, request.client)
    note = "; ".join(filter(None, (_of_most(node, request, rows), _missing(missing))))
    return Done([_row(row) for row in rows], note)


def page(node: Node, by: By, request: SessionPage, file: BinaryIO | None) -> Done:
    """So many of all workers' sessions as fit a screen: whoever looks on need not be sent all."""
    if request.sort not in SORTS:
        raise Refused(f"sessions are not sorted by {request.sort[:40]!r} (but by {', '.join(SORTS)})", 2)
    rows, missing = node.hub.sessions() if node.hub else ([], [])
    words = request.text.lower().split()
    found = [row for row in rows if all(word in _words(row) for word in words)] if words else rows
    found.sort(key=lambda row: getattr(row, SORTS[request.sort]), reverse=request.down)
    shown = [_row(row) for row in found[: bounded(request.limit, 1000)]]
    return Done({"sessions": shown, "matching": len(found), "total": len(rows)}, _missing(missing))


def _words(row: SessionRow) -> str:
    return f"{row.user} {row.service} {row.client} {row.backend}".lower()


def _of_most(node: Node, request: SessionList, rows: Sequence[SessionRow]) -> str:
    """How near somebody is to the limit, where all sessions of a mailbox are asked for."""
    most = node.objects().get("limits")["sessions_per_account"]
    if not request.user or request != SessionList(user=request.user) or not most:
        return ""
    return f"{sum(not row.waiting for row in rows)} of at most {most} sessions of this mailbox"


def _row(row: SessionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "user": row.user,
        "service": row.service,
        "from": row.client,
        "backend": row.backend,
        "since": row.since,
        "in": row.octets_in,
        "out": row.octets_out,
        "state": row.state,
    }


def kick(node: Node, by: By, request: SessionKick, file: BinaryIO | None) -> Done:
    """End sessions."""
    if not any(msgspec.structs.astuple(request)):
        raise Refused("say which sessions: ids, or at least one filter", 2)
    if node.hub is None:
        raise Refused("the node does not run: it has no sessions")
    _refuse_longer_than_any(request)
    count, missing = node.hub.kick(request.ids, request.user, request.service, request.backend, request.client)
    if not count:
        raise Refused("; ".join(filter(None, ("no session matches", _missing(missing)))), 1, {"kicked": 0})
    return Done({"kicked": count}, _missing(missing))


def _refuse_longer_than_any(request: SessionList | SessionKick) -> None:
    """Workers are asked in one packet: what no session can be called is not asked at all."""
    ids = request.ids if isinstance(request, SessionKick) else ()
    words = (*ids, request.user, request.service, request.backend, request.client)
    if any(len(word.encode()) > MAX_WORD for word in words):
        raise Refused(f"no session has an id, user or address of more than {MAX_WORD} octets")


def tail(node: Node, by: By, request: LogTail, file: BinaryIO | None) -> Iterator[Reply]:
    """The past, then the present, with nothing lost or shown twice between the two."""
    if request.outcome and request.outcome not in OUTCOMES:
        raise Refused(f"there is no outcome {request.outcome!r} (there is: {', '.join(OUTCOMES)})", 2)
    wanted, last = Wanted(request.user, request.service, request.outcome), bounded(request.last, KEPT)
    if node.hub is None:
        yield from map(_event, _past(node, wanted, last))
        yield Done(None, "the node does not run: nothing more will come" if request.follow else "")
        return
    with node.hub.history.follow() as follower:
        past = node.hub.history.recent(wanted, last)
        yield from map(_event, past)
        seen = {(one.at, one.session) for one in past}
        while request.follow:
            came = [one for one in follower.take(HEARTBEAT) if wanted.has(one) and (one.at, one.session) not in seen]
            yield from map(_event, came)
            yield Progress("following", 0, 0)
    yield Done()


def _past(node: Node, wanted: Wanted, last: int) -> Sequence[Outcome]:
    with contextlib.closing(writer(node.home.node_db)) as connection:
        return recent(connection, wanted, last)


def _event(one: Outcome) -> Event:
    return Event({name: getattr(one, name) for name in Outcome.__struct_fields__})


def route(node: Node, by: By, request: Route, file: BinaryIO | None) -> Done:
    """What would happen now."""
    if request.service not in SESSIONS:
        raise Refused(f"nobody logs in at {request.service!r} (but at {', '.join(SESSIONS)})", 2)
    connection, health = node.reader(), Health()
    for state in node.hub.states.all() if node.hub else ():
        health.told(state.backend, state.service, state.up, state.reason)
    if request.down:
        if request.down not in node.objects().names("backend"):
            raise Refused(f"there is no back-end {request.down[:80]!r}")
        health.told(request.down, request.service, False, "as was asked")
    try:
        snapshot = load_snapshot(connection, node.name, node.vault)
    except SnapshotError as error:
        raise Refused(str(error)) from error
    sessions = partial(_counted, node.hub) if node.hub else None
    service = Service(request.service)
    found = explain(snapshot, connection, request.address, service, request.client, health, sessions)
    return Done(msgspec.to_builtins(found), "" if node.hub else "the node does not run: every back-end counts as up")


def _counted(hub: Hub, ip: str, mailbox: str) -> tuple[int, int]:
    """How many sessions an address has, if one is given, and a mailbox."""
    of_mailbox, _ = hub.sessions(user=mailbox)
    of_address = hub.sessions()[0] if ip else []
    here = client_key(ip)
    count = sum(not row.waiting and client_key(row.client) == here for row in of_address)
    return count, sum(not row.waiting for row in of_mailbox)


def _missing(names: Sequence[str]) -> str:
    return f"no answer from {', '.join(names)}" if names else ""


def _behind(names: Sequence[str]) -> str:
    return f"not serving by the newest configuration yet: {', '.join(names)}" if names else ""


HANDLERS: Final[dict[type[Request], Command]] = {
    Status: Command(status, VIEWER),
    SessionList: Command(sessions, VIEWER),
    SessionPage: Command(page, VIEWER),
    SessionKick: Command(kick, OPERATOR),
    LogTail: Command(tail, VIEWER),
    Route: Command(route, VIEWER),
}
