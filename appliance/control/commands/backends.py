"""Back-ends: the mail stores behind the nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import msgspec

from appliance.control import configured, editing
from appliance.control.api import Done, Progress, Refused, Reply, Request
from appliance.control.api.backends import (
    BackendAdd,
    BackendCheck,
    BackendDrain,
    BackendEnable,
    BackendFind,
    BackendList,
    BackendRemove,
    BackendSet,
    BackendShow,
)
from appliance.control.commands import OPERATOR, VIEWER, By, Command, Node
from appliance.routing.services import split
from appliance.terms import Endpoint, TlsMode
from db import catalogue
from db.objects import Objects

PROTOCOLS: Final = ("imap", "pop3", "sieve", "smtp", "lmtp")


def listed(node: Node, by: By, request: BackendList, file: BinaryIO | None) -> Done:
    """All, with what is known of their health while the node runs."""
    objects = node.objects()
    return Done([_row(node, objects, name) for name in objects.names("backend")])


def show(node: Node, by: By, request: BackendShow, file: BinaryIO | None) -> Done:
    """All settings of one, and who refers to it."""
    objects, name = node.objects(), request.name
    configured.existing(objects, "backend", name)
    value = {**_row(node, objects, name), **configured.values(objects, "backend", name)}
    details = {
        "settings": configured.settings(objects, "backend", name),
        "used_by": configured.users_of_backend(node, name),
    }
    return Done({**value, **details})


def add(node: Node, by: By, request: BackendAdd, file: BinaryIO | None) -> Done:
    """A new one."""
    objects = node.objects()
    if objects.body("backend", request.name) is not None:
        raise Refused(f"there is a back-end {request.name} already; `postern backend set` changes it")
    return _store(node, by, f"backend add {request.name}", request.name, request.values)


def change(node: Node, by: By, request: BackendSet, file: BinaryIO | None) -> Done:
    """Set some settings of one."""
    configured.existing(node.objects(), "backend", request.name)
    what = f"backend set {request.name} {' '.join(request.values)}"
    return _store(node, by, what, request.name, request.values)


def drain(node: Node, by: By, request: BackendDrain, file: BinaryIO | None) -> Done:
    """No new sessions."""
    configured.existing(node.objects(), "backend", request.name)
    return _store(node, by, f"backend drain {request.name}", request.name, {"state": "drain"})


def enable(node: Node, by: By, request: BackendEnable, file: BinaryIO | None) -> Done:
    """Sessions again."""
    configured.existing(node.objects(), "backend", request.name)
    return _store(node, by, f"backend enable {request.name}", request.name, {"state": "on"})


def remove(node: Node, by: By, request: BackendRemove, file: BinaryIO | None) -> Done:
    """Unless something refers to it."""
    configured.existing(node.objects(), "backend", request.name)
    if users := configured.users_of_backend(node, request.name):
        raise Refused(f"back-end {request.name} is in use: {'; '.join(users)}", value={"used_by": users})
    return editing.change_objects(node, by, f"backend remove {request.name}", {("backend", request.name): None})


def check(node: Node, by: By, request: BackendCheck, file: BinaryIO | None) -> Iterator[Reply]:
    """Visit each protocol of one, or of all, step by step."""
    objects = node.objects()
    if request.name:
        configured.existing(objects, "backend", request.name)
    names = [request.name] if request.name else objects.names("backend")
    visits = [(service, endpoint) for name in names for service, endpoint in _endpoints(node, objects, name)]
    rows = []
    for number, (service, endpoint) in enumerate(visits):
        yield Progress("checking", number, len(visits))
        rows.append(_visited(service, endpoint))
    failed = [f"{row['backend']} {row['service']} ({row['reason']})" for row in rows if not row["ok"]]
    if failed:
        raise Refused(f"not right: {'; '.join(failed)}", value=rows)
    yield Done(rows)


def find(node: Node, by: By, request: BackendFind, file: BinaryIO | None) -> Done:
    """Stores on this machine that are ours to be put in front of."""
    from appliance.control import neighbours  # an event loop and TLS, for this alone

    listening = catalogue.listeners(node.objects().bodies(), node.name)
    own = {catalogue.host_port(address)[1] for _, _, address in listening}
    return Done(list(neighbours.found(own)))


def _store(node: Node, by: By, what: str, name: str, values: dict[str, Any]) -> Done:
    body = configured.with_values(node.objects(), "backend", name, values)
    return editing.change_objects(node, by, what, {("backend", name): body})


def _row(node: Node, objects: Objects, name: str) -> dict[str, Any]:
    body = objects.get("backend", name)
    known = [found for found in node.hub.states.all() if found.backend == name] if node.hub is not None else []
    down = [f"{found.service or 'all'}: {found.reason}" for found in known if not found.up]
    health = "unknown" if not known else "down" if down else "up"
    settings = {key: body[key] for key in (*PROTOCOLS, "tls", "state", "standby")}
    sessions = node.hub.tally.by_label("sessions", "backend")[name] if node.hub is not None else 0
    return {"name": name, **settings, "health": health, "sessions": sessions, "reason": "; ".join(down)}


def _endpoints(node: Node, objects: Objects, name: str) -> Iterator[tuple[str, Endpoint]]:
    """How this node reaches each protocol of a back-end."""
    body = objects.get("backend", name)
    local = body["local"] if name == node.name else {}
    for protocol in PROTOCOLS:
        if address := local.get(protocol) or body[protocol]:
            host, port = split(address)
            pin = bytes.fromhex(body["tls_pin"].removeprefix("sha256:"))
            mode = TlsMode(body[f"{protocol}_tls"] or body["tls"])
            yield protocol, Endpoint(
                name, host, port, mode, body["tls_name"], body["tls_ca"], pin, body["client_address"]
            )


def _visited(service: str, endpoint: Endpoint) -> dict[str, Any]:
    from appliance.control import prober  # an event loop and TLS, for this alone

    steps = prober.check(service, endpoint)
    last = steps[-1]
    return {
        "backend": endpoint.backend,
        "service": service,
        "ok": last.ok,
        "steps": msgspec.to_builtins(steps),
        "reason": "" if last.ok else f"{last.name}: {last.result}",
    }


HANDLERS: Final[dict[type[Request], Command]] = {
    BackendList: Command(listed, VIEWER),
    BackendShow: Command(show, VIEWER),
    BackendAdd: Command(add, OPERATOR),
    BackendSet: Command(change, OPERATOR),
    BackendRemove: Command(remove, OPERATOR),
    BackendDrain: Command(drain, OPERATOR),
    BackendEnable: Command(enable, OPERATOR),
    BackendCheck: Command(check, VIEWER),
    BackendFind: Command(find, VIEWER),
}
