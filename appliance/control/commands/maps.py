"""Handlers of the requests about user maps. Imports: appliance/control/importing.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final

import msgspec

from appliance.cluster.imports import NOTHING
from appliance.cluster.log import Op
from appliance.control import configured, editing, importing, mapsessions, mapstate
from appliance.control.api import Done, Event, Refused, Reply, Request
from appliance.control.api.maps import (
    MapCreate,
    MapDelete,
    MapEntries,
    MapExport,
    MapGet,
    MapImport,
    MapList,
    MapPut,
    MapRemove,
    MapSet,
    MapShow,
    MapUndo,
)
from appliance.control.commands import VIEWER, Command, bounded
from appliance.control.mapentries import EntryRules, keys
from appliance.control.node import By, Node
from db import catalogue, connect, maps

PAGE: Final = 1000  # rows of one event of an export, and the most of one page

# --- maps ----------------------------------------------------------------------------------------------------------


def list_maps(node: Node, by: By, request: MapList, file: BinaryIO | None) -> Done:
    """See MapList."""
    objects, states = node.objects(), maps.states(node.reader())
    rows = []
    for name in objects.names("map"):
        kind = objects.get("map", name)["type"]
        state = states.get(name, NOTHING) if kind == "sqlite" else None
        row: dict[str, Any] = {"name": name, "type": kind, "entries": state.entries if state else None}
        row["used_by"] = mapstate.used_by(objects, name)
        rows.append(row | mapstate.changed(node, state.rev if state else 0))
    return Done(rows)


def show(node: Node, by: By, request: MapShow, file: BinaryIO | None) -> Done:
    """See MapShow."""
    name, objects = request.name, node.objects()
    configured.existing(objects, "map", name)
    state, kind = mapstate.state_of(node, name), objects.get("map", name)["type"]
    value: dict[str, Any] = {
        "name": name,
        "type": kind,
        "settings": configured.settings(objects, "map", name),
        "used_by": mapstate.used_by(objects, name),
        "entries": None,
    }
    if kind == "sqlite":
        value |= {
            "entries": state.entries,
            "backends": maps.counts(node.reader(), state.load),
            "changed": state.rev,
            "undo": _undo(node, state) if mapstate.may_undo(state) else None,
        }
    return Done(value)


def create(node: Node, by: By, request: MapCreate, file: BinaryIO | None) -> Done:
    """See MapCreate."""
    objects = node.objects()
    if objects.body("map", request.name) is not None:
        raise Refused(f"there is a map {request.name} already")
    body = configured.with_values(objects, "map", request.name, request.values)
    return editing.change_objects(node, by, f"map create {request.name}", {("map", request.name): body})


def set_keys(node: Node, by: By, request: MapSet, file: BinaryIO | None) -> Done:
    """See MapSet."""
    name, objects = request.name, node.objects()
    configured.existing(objects, "map", name)
    body = configured.with_values(objects, "map", name, request.values)
    before, after, entries = objects.get("map", name), catalogue.effective("map", body), configured.entries(node, name)
    for key in ("type", "fold"):
        if entries and before[key] != after[key]:
            raise Refused(
                f"map {name} has {configured.counted(entries)} of {key} {before[key]}: create a map with "
                f"{key}={after[key]}, and import them there"
            )
    return editing.change_objects(node, by, f"map set {name} {' '.join(request.values)}", {("map", name): body})


def delete(node: Node, by: By, request: MapDelete, file: BinaryIO | None) -> Done:
    """See MapDelete."""
    name, objects = request.name, node.objects()
    configured.existing(objects, "map", name)
    if users := mapstate.used_by(objects, name):
        raise Refused(f"map {name} is used by {', '.join(users)}: take it out of there first")
    entries = configured.entries(node, name)
    if entries and not request.delete_data:
        raise Refused(f"map {name} has {configured.counted(entries)}: say --delete-data to delete them too")
    ops = mapstate.emptied(name, mapstate.state_of(node, name))
    done = editing.change_objects(node, by, f"map delete {name}", {("map", name): None}, ops)
    note = f"`postern map undo {name}` brings it back within 7 days"
    return Done(done.value, "; ".join(filter(None, [done.note, note])))


def undo(node: Node, by: By, request: MapUndo, file: BinaryIO | None) -> Done:
    """See MapUndo."""
    name, state = request.map, mapstate.state_of(node, request.map)
    if node.objects().body("map", name) is None:
        ops = mapstate.unremoved(node, name)
        editing.refuse(configured.left_undefined(node, ops))
        notes = [node.change(by, f"map undo {name}: bring it back", ops).note]
    elif mapstate.may_undo(state):
        editing.refuse(configured.left_undefined(node, [], {name: state.previous}))
        importing.go_back(node, by, name, state)
        notes = [node.publish()]
    else:
        raise Refused(f"map {name} has nothing to go back to: an import can be undone for 7 days")
    if request.end_sessions:
        notes.append(mapsessions.end_moved(node, name, state.load))
    now = mapstate.state_of(node, name)
    value = {"map": name, "entries": now.entries, "until": now.previous_until or None}
    return Done(value, "; ".join(filter(None, notes)))


def _undo(node: Node, state: maps.MapState) -> dict[str, Any]:
    return {"entries": maps.entries(node.reader(), state.previous), "until": state.previous_until}


# --- entries -------------------------------------------------------------------------------------------------------


def export(node: Node, by: By, request: MapExport, file: BinaryIO | None) -> Iterator[Reply]:
    """See MapExport. Written to a file first: a slow reader must hold neither a moment of the database nor memory."""
    mapstate.own_entries(node.objects(), request.map)
    node.home.staging.mkdir(mode=0o700, exist_ok=True)
    with TemporaryFile(dir=node.home.staging) as spooled:
        count = 0
        with closing(connect.reader(node.home.config_db)) as reader, connect.snapshot(reader):
            state, after = maps.state(reader, request.map) or NOTHING, ""
            while page := maps.page(reader, state.load, after=after, limit=PAGE):
                spooled.write(msgspec.json.encode(page) + b"\n")
                count, after = count + len(page), page[-1][0]
        spooled.seek(0)
        for line in spooled:
            yield Event(msgspec.json.decode(line))
    yield Done({"map": request.map, "entries": count})


def entries(node: Node, by: By, request: MapEntries, file: BinaryIO | None) -> Done:
    """See MapEntries."""
    _, state = _entries(node, request.map)
    limit = bounded(request.limit, PAGE)
    wanted = {"text": request.filter.strip(), "backend": request.backend, "after": request.after}
    rows = maps.filtered(node.reader(), state.load, **wanted, limit=limit + 1)
    return Done({"entries": rows[:limit], "more": len(rows) > limit})


def get(node: Node, by: By, request: MapGet, file: BinaryIO | None) -> Done:
    """See MapGet."""
    rules, state = _entries(node, request.map)
    try:
        by_domain = request.address.strip().startswith("@")
        wanted = [(rules.address(request.address), "exact")] if by_domain else keys(rules.name(request.address))
    except ValueError as error:
        raise Refused(str(error)) from error
    for key, match in wanted:
        backend = maps.look(node.reader(), state.load, key)
        if backend is not None:
            found = {"map": request.map, "address": wanted[0][0], "backend": backend, "entry": key, "match": match}
            return Done(found)
    raise Refused(f"{wanted[0][0]} is not in map {request.map}")


def put(node: Node, by: By, request: MapPut, file: BinaryIO | None) -> Done:
    """See MapPut."""
    rules, _ = _entries(node, request.map)
    try:
        address, backend = rules.address(request.address), rules.backend(request.backend)
    except ValueError as error:
        raise Refused(str(error)) from error
    return _change(node, by, request, address, backend)


def remove(node: Node, by: By, request: MapRemove, file: BinaryIO | None) -> Done:
    """See MapRemove."""
    rules, state = _entries(node, request.map)
    try:
        address = rules.address(request.address)
    except ValueError as error:
        raise Refused(str(error)) from error
    if maps.look(node.reader(), state.load, address) is None:
        raise Refused(f"map {request.map} has no entry {address}")
    return _change(node, by, request, address, None)


def _entries(node: Node, name: str) -> tuple[EntryRules, maps.MapState]:
    objects = node.objects()
    mapstate.own_entries(objects, name)
    return EntryRules(objects, name), mapstate.state_of(node, name)


def _change(node: Node, by: By, request: MapPut | MapRemove, address: str, backend: str | None) -> Done:
    load = mapstate.state_of(node, request.map).load
    before, rev = maps.look(node.reader(), load, address), maps.entry_rev(node.reader(), load, address)
    value = {"map": request.map, "address": address, "before": before}
    if backend is not None:
        value["backend"] = backend
    if before == backend:
        return Done(value, "it is so already: nothing was changed")
    key = {"map": request.map, "address": address}
    op = Op(table="map_entry", key=key, row=None if backend is None else {**key, "backend": backend}, if_rev=rev)
    what = f"map remove {request.map} {address}" if backend is None else f"map put {request.map} {address} {backend}"
    notes = [node.change(by, what, [op]).note]
    if request.end_sessions:
        notes.append(mapsessions.end_changed(node, request.map, address, before))
    return Done(value, "; ".join(filter(None, notes)))


HANDLERS: Final[dict[type[Request], Command]] = {
    MapList: Command(list_maps, VIEWER),
    MapShow: Command(show, VIEWER),
    MapCreate: Command(create),
    MapSet: Command(set_keys),
    MapDelete: Command(delete),
    MapImport: Command(importing.run),
    MapEntries: Command(entries, VIEWER),
    MapExport: Command(export, VIEWER),
    MapUndo: Command(undo),
    MapGet: Command(get, VIEWER),
    MapPut: Command(put),
    MapRemove: Command(remove),
}
