"""Services, and the other things that there is one of."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

from appliance.control import configured, editing
from appliance.control.api import Done, Refused, Request
from appliance.control.api.services import ServiceList, ServiceSet, ServiceShow, SettingsNew
from appliance.control.commands import OPERATOR, VIEWER, By, Command, Node
from appliance.terms import Service
from db import catalogue
from db.objects import Objects

SINGLE: Final = [kind.name for kind in catalogue.KINDS.values() if kind.single]


def listed(node: Node, by: By, request: ServiceList, file: BinaryIO | None) -> Done:
    """The services with what tells them apart."""
    objects = node.objects()
    return Done([{**_row(objects, node.name, of), **configured.service_state(node, objects, of)} for of in Service])


def show(node: Node, by: By, request: ServiceShow, file: BinaryIO | None) -> Done:
    """All settings of one."""
    _known(request.name)
    objects = node.objects()
    name = request.name
    return Done({"name": name, **configured.values(objects, name), "settings": configured.settings(objects, name)})


def of_new(node: Node, by: By, request: SettingsNew, file: BinaryIO | None) -> Done:
    """What an object that is not there yet could be given."""
    if request.kind not in catalogue.KINDS:
        raise Refused(f"there is no {request.kind[:80]!r} to configure (there is: {', '.join(catalogue.KINDS)})")
    return Done({"kind": request.kind, "settings": configured.settings(node.objects(), request.kind)})


def change(node: Node, by: By, request: ServiceSet, file: BinaryIO | None) -> Done:
    """Set some."""
    _known(request.name)
    body = configured.with_values(node.objects(), request.name, "", request.values)
    what = f"service set {request.name} {' '.join(request.values)}"
    done = editing.change_objects(node, by, what, {(request.name, ""): body})
    now = configured.service_state(node, node.objects(), request.name) if request.name in set(Service) else {}
    return Done(done.value, "; ".join(filter(None, (done.note, now.get("reason")))))


def _row(objects: Objects, node: str, service: Service) -> dict[str, Any]:
    whole = objects.get(service)
    here = objects.get("node", node)[service] if objects.body("node", node) else {}
    listening = {key: here.get(key, whole.get(key, [])) for key in ("listen", "listen_tls")}
    return {
        "name": str(service),
        "enabled": whole["enabled"],
        **listening,
        "map": whole.get("map", []),
        "failover": whole.get("failover", ""),
    }


def _known(name: str) -> None:
    if name not in SINGLE:
        raise Refused(f"there is no service {name!r} (there is: {', '.join(SINGLE)})")


HANDLERS: Final[dict[type[Request], Command]] = {
    ServiceList: Command(listed, VIEWER),
    ServiceShow: Command(show, VIEWER),
    SettingsNew: Command(of_new, VIEWER),
    ServiceSet: Command(change, OPERATOR),
}
