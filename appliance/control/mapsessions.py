"""Ends the sessions of users that a change of a map moved away, when the one who changed it asked for that.

Only sessions on the back-end that the map named before are ended: whoever was routed by another map, or by fail-over,
stays. Must never ask the map once per entry: there are far fewer sessions than entries.
"""

from __future__ import annotations

import sqlite3

from appliance.control.mapentries import EntryRules, keys
from appliance.control.node import Node
from db import maps


def end_moved(node: Node, map_name: str, before: int) -> str:
    """End what this map routed by the load `before` and now routes elsewhere. A sentence on it."""
    state = maps.state(node.reader(), map_name)
    return _end(node, map_name, before, {}, state.load if state else 0)


def end_changed(node: Node, map_name: str, address: str, before: str | None) -> str:
    """The same for one entry that changed in place and named `before` until then."""
    state = maps.state(node.reader(), map_name)
    load = state.load if state else 0
    return _end(node, map_name, load, {address: before}, load)


def _end(node: Node, map_name: str, before: int, overlaid: dict[str, str | None], after: int) -> str:
    if node.hub is None:
        return ""
    reader, rules = node.reader(), EntryRules(node.objects(), map_name)
    rows, silent = node.hub.sessions()
    ids = []
    for row in rows:
        if not row.user:  # not logged in yet
            continue
        names = [key for key, _ in keys(rules.name(row.user))]
        old = _first(reader, before, names, overlaid)
        if old == row.backend and _first(reader, after, names, {}) != old:
            ids.append(row.id)
    ended = 0
    if ids:
        ended, missing = node.hub.kick(ids)
        silent = [*silent, *missing]
    text = f"ended {ended} session{'' if ended == 1 else 's'}"
    return f"{text}; no answer from {', '.join(sorted(set(silent)))}" if silent else text


def _first(reader: sqlite3.Connection, load: int, names: list[str], overlaid: dict[str, str | None]) -> str | None:
    """The back-end of the first of these entries that there is; `overlaid` says what some of them were."""
    for name in names:
        found = overlaid[name] if name in overlaid else maps.look(reader, load, name)
        if found is not None:
            return found
    return None
