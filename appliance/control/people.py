"""People by a part of their address: those of the sqlite maps, and those with an account.

Must never ask a directory or a store: an administrator types, and the answer is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

from appliance.control import mapstate
from appliance.control.node import Node
from db import accounts, maps
from db.accounts import Account
from db.objects import Objects

LONGEST: Final = 320

Person = dict[str, Any]


class Likeness(Enum):
    """Of an address and what was typed, the closest first; the value: what follows it in those that begin with it."""

    ADDRESS = "the address"
    LOCAL_PART = "@"
    BEGINNING = ""
    WITHIN = "within"


def find(node: Node, text: str, limit: int) -> list[Person]:
    """See api.watch.Find: who is called so, then who begins so, then who contains it; each by address."""
    connection, objects = node.reader(), node.objects()
    loads = dict(_loads(connection, objects))
    found: dict[str, None] = {}
    for likeness in Likeness:
        if len(found) < limit and not (likeness is Likeness.LOCAL_PART and "@" in text):
            addresses = _addresses(connection, objects, loads, text, limit, likeness)
            found |= dict.fromkeys(sorted(addresses - found.keys())[: limit - len(found)])
    return [_person(connection, loads, address) for address in found]


def _loads(connection: sqlite3.Connection, objects: Objects) -> Iterator[tuple[str, int]]:
    """The sqlite maps with entries, those first that services look into, in that order."""
    chained = [name for service in mapstate.USERS for name in objects.get(service)["map"]]
    states = maps.states(connection)
    for name in dict.fromkeys([*chained, *objects.names("map")]):
        if name in states and objects.body("map", name) is not None and objects.get("map", name)["type"] == "sqlite":
            yield name, states[name].load


def _addresses(
    connection: sqlite3.Connection, objects: Objects, loads: dict[str, int], text: str, limit: int, likeness: Likeness
) -> set[str]:
    lowered = text.lower()
    found: set[str] = set()
    for name, load in loads.items():
        wanted = lowered if objects.get("map", name)["fold"] == "lower" else text
        if likeness is Likeness.ADDRESS:
            rows = [(wanted, "")] if maps.look(connection, load, wanted) is not None else []
        elif likeness is Likeness.WITHIN:
            rows = maps.containing(connection, load, wanted, limit)
        else:
            rows = maps.page(connection, load, prefix=wanted + likeness.value, limit=limit)
        found |= {address for address, _ in rows if not address.startswith("@")}
    return found | {account.address for account in _accounts(connection, lowered, limit, likeness)}


def _accounts(connection: sqlite3.Connection, text: str, limit: int, likeness: Likeness) -> list[Account]:
    if likeness is Likeness.ADDRESS:
        account = accounts.get(connection, text)
        return [] if account is None else [account]
    if likeness is Likeness.WITHIN:
        return accounts.containing(connection, text, limit)
    return accounts.page(connection, prefix=text + likeness.value, limit=limit)


def _person(connection: sqlite3.Connection, loads: dict[str, int], address: str) -> Person:
    account = accounts.get(connection, address)
    person = {"address": address, "map": None, "backend": None, "account": account.state if account else None}
    for name, load in loads.items():
        for entry in (address, "@" + address.rpartition("@")[2]):
            if (backend := maps.look(connection, load, entry)) is not None:
                return {**person, "map": name, "backend": backend}
    return person
