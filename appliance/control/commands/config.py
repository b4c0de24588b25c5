"""The configuration as a whole: exported, compared with a file's, made equal to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Final

import msgspec

from appliance.control import configured, editing
from appliance.control.api import Done, Refused, Request
from appliance.control.api.config import ConfigApply, ConfigDiff, ConfigExport, Item
from appliance.control.commands import OPERATOR, VIEWER, By, Command, Node
from appliance.control.editing import Body, Key
from db import catalogue
from db.objects import Objects


def export(node: Node, by: By, request: ConfigExport, file: BinaryIO | None) -> Done:
    """Everything that was set; contents as KEPT."""
    bodies = node.objects().bodies()
    return Done({"objects": [Item(kind, name, configured.shown(kind, body)) for (kind, name), body in bodies.items()]})


def diff(node: Node, by: By, request: ConfigDiff, file: BinaryIO | None) -> Done:
    """What an apply would change."""
    objects = node.objects()
    wanted = _settled(node, objects, request.objects)
    editing.refuse(catalogue.check_all(wanted))
    return Done({"differences": _differences(node, objects, wanted)})


def apply(node: Node, by: By, request: ConfigApply, file: BinaryIO | None) -> Done:
    """Add, set and remove until the configuration is that of the request."""
    objects = node.objects()
    wanted = _settled(node, objects, request.objects)
    editing.refuse(catalogue.check_all(wanted))
    found = _differences(node, objects, wanted)
    _refuse_lost_entries(found, request.delete_data)
    gone = {key for key in objects if key not in wanted}
    editing.refuse(configured.entries_left_behind(node, gone))
    changes: dict[Key, Body | None] = {**wanted, **dict.fromkeys(gone)}
    done = editing.store(node, by, _sentence(found), objects, changes, configured.forget_maps(node, gone))
    return Done({"differences": found, **done.value}, done.note)


def _settled(node: Node, objects: Objects, items: Sequence[Item]) -> dict[Key, Body]:
    given: dict[Key, Body | None] = {(item.kind, item.name): item.body for item in items}
    if len(given) != len(items):
        raise Refused("an object is there twice")
    settled = editing.settle(node.vault, objects, given)
    return {key: body for key, body in settled.items() if body is not None}


def _differences(node: Node, objects: Objects, wanted: Mapping[Key, Body]) -> list[dict[str, Any]]:
    """With the number of entries that go with each removed map."""
    rows: list[dict[str, Any]] = []
    for found in editing.differences(objects.bodies(), wanted):
        lost = configured.entries(node, found.name) if (found.change, found.kind) == ("remove", "map") else 0
        rows.append({**msgspec.to_builtins(found), "entries": lost})
    return rows


def _refuse_lost_entries(found: Sequence[Mapping[str, Any]], delete_data: bool) -> None:
    lost = [f"{row['name']} ({configured.counted(row['entries'])})" for row in found if row["entries"]]
    if lost and not delete_data:
        raise Refused(
            f"this removes maps that have entries: {', '.join(lost)}; nothing was applied. --delete-data allows it",
            value={"differences": found},
        )


def _sentence(found: Sequence[Mapping[str, Any]]) -> str:
    """The audit's words: how much, and what."""
    words = [f"{row['change']} {' '.join(filter(None, (row['kind'], row['name'])))}" for row in found]
    return "config apply: " + ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")


HANDLERS: Final[dict[type[Request], Command]] = {
    ConfigExport: Command(export, VIEWER),
    ConfigDiff: Command(diff, VIEWER),
    ConfigApply: Command(apply, OPERATOR),
}
