"""People by a part of their address: those of the sqlite maps, and those with an account.

Must never ask a directory or a store: an administrator types, and the answer is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from appliance.control import mapstate
from appliance.control.node import Node
from db import accounts, maps
from db.objects import Objects

LONGEST: Final = 320

Person = dict[str, Any]


def find(node: Node, text: str, limit: int) -> list[Person]:
    """See api.watch.Find: those that begin with it first, then those that contain it, each by address."""
    connection, objects = node.reader(), node.objects()
    loads = dict(_loads(connection, objects))
    found: dict[str, None] = {}
    for beginning in (True, False):
        if len(found) < limit:
            addresses = _addresses(connection, objects, loads, text, limit, beginning)
            found |= dict.fromkeys(sorted(addresses)[: limit - len(found)])
    return [_person(connection, loads, address) for address in found]


def _loads(connection: sqlite3.Connection, objects: Objects) -> Iterator[tuple[str, int]]:
    """The sqlite maps with entries, those first that services look into, in that order."""
    chained = [name for service in mapstate.USERS for name in objects.get(service)["map"]]
    states = maps.states(connection)
    for name in dict.fromkeys([*chained, *objects.names("map")]):
        if name in states and objects.body("map", name) is not None and objects.get("map", name)["type"] == "sqlite":
            yield name, states[name].load


def _addresses(
    connection: sqlite3.Connection, objects: Objects, loads: dict[str, int], text: str, limit: int, beginning: bool
) -> set[str]:
    lowered = text.lower()
    found: set[str] = set()
    for name, load in loads.items():
        wanted = lowered if objects.get("map", name)["fold"] == "lower" else text
        if beginning:
            rows = maps.page(connection, load, prefix=wanted, limit=limit)
        else:
            rows = maps.containing(connection, load, wanted, limit)
        found |= {address for address, _ in rows if not address.startswith("@")}
    if beginning:
        found |= {one.address for one in accounts.page(connection, prefix=lowered, limit=limit)}
    else:
        found |= {one.address for one in accounts.containing(connection, lowered, limit)}
    return found


def _person(connection: sqlite3.Connection, loads: dict[str, int], address: str) -> Person:
    account = accounts.get(connection, address)
    person = {"address": address, "map": None, "backend": None, "account": account.state if account else None}
    for name, load in loads.items():
        for entry in (address, "@" + address.rpartition("@")[2]):
            if (backend := maps.look(connection, load, entry)) is not None:
                return {**person, "map": name, "backend": backend}
    return person
