"""Generations of a map's entries as changes see them: which is in force, which can be gone back to.

Must never delete rows: an entry that no generation refers to any more is dropped later, by the applier's own pace.
"""

from __future__ import annotations

import time
from typing import Any, Final

from appliance.cluster.imports import NOTHING, UNDO
from appliance.cluster.log import Op
from appliance.cluster.revert import revert
from appliance.control.api import Refused
from appliance.control.node import Node
from db import audit, maps
from db.maps import MapState
from db.objects import Objects

USERS: Final = ("imap", "pop3", "sieve", "smtp", "submission")


def state_of(node: Node, name: str) -> MapState:
    """The state of a map; NOTHING if nothing was ever put into it."""
    return maps.state(node.reader(), name) or NOTHING


def own_entries(objects: Objects, name: str) -> None:
    """Raise Refused unless there is a map of this name, whose entries are kept here."""
    if objects.body("map", name) is None:
        raise Refused(f"there is no map {name} (there is: {', '.join(objects.names('map')) or 'none'})")
    kind = objects.get("map", name)["type"]
    if kind != "sqlite":
        raise Refused(f"map {name} is of type {kind}: its entries are not kept here")


def used_by(objects: Objects, name: str) -> list[str]:
    """The services whose chain has this map."""
    return [kind for kind in USERS if name in objects.get(kind)["map"]]


def changed(node: Node, revision: int) -> dict[str, Any]:
    """When, and by whom, what a state's revision stands for was done."""
    records = audit.page(node.reader(), before=revision + 1, limit=1) if revision else []
    known = [record for record in records if record.revision == revision]
    return {"changed": known[0].at, "by": known[0].by} if known else {"changed": None, "by": ""}


def may_undo(state: MapState) -> bool:
    """Whether there is a generation to go back to, still."""
    return state.previous_until > time.time()


def emptied(name: str, state: MapState) -> list[Op]:
    """What goes with the removal of a map: its entries are out of force, and can be had back for 7 days."""
    return [Op("map_state", {"map": name}, None, state.rev)] if state.rev else []


def unremoved(node: Node, name: str) -> list[Op]:
    """What takes back the last removal of a map, its entries included. Raises Refused when that is too long ago."""
    mine = ({"kind": "map", "name": name}, {"map": name})
    for revision in audit.touching(node.reader(), "map", name, time.time() - UNDO):
        record = audit.get(node.reader(), revision)
        after = record.after if record is not None else []
        if any(image["key"] == mine[0] and image["row"] is None for image in after):
            try:
                return [op for op in revert(node.reader(), revision) if op.key in mine]
            except ValueError as error:
                raise Refused(str(error)) from error
    raise Refused(f"there is no map {name}, nor was one removed within 7 days")
