"""User maps in a chain: which back-end has the mailbox of this name. The answer is yes, no, or not known now.

The first map with a hit counts. One that cannot be asked stops the chain: an outage is never "no such user", and never
leads to another map or to failover. Must never hold a value that names no back-end for a miss; that is for the asker.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from appliance.routing.names import Name
from appliance.routing.snapshot import MapView
from appliance.routing.tables import Tables
from appliance.terms import ABSENT, Found, Lookup, Unknown

Work = Callable[[], Any]  # blocking; whoever runs the generator has it done in a thread and sends the result


class Hit(msgspec.Struct, frozen=True, gc=False):
    """Where a map puts a name. `key`: the mailbox; `entry`: what was found of it, which may be its "@domain"."""

    source: str  # "map people"
    key: str
    entry: str
    back_end: str


class UserMap(Protocol):
    """One map. A map that `blocks` (a directory) is asked in a thread, the others in the loop."""

    name: str
    blocks: bool

    def look(self, name: Name) -> Lookup[Hit]:
        """Whole name, then without its tag, then its domain. Raises nothing: what fails is Unknown."""


class SqliteMap:
    """A map in config.db: exact address, then "@domain"."""

    blocks = False

    def __init__(self, view: MapView, tables: Tables) -> None:
        self.name = view.name
        self._source = f"map {view.name}"
        self._fold = view.fold
        self._tables = tables

    def look(self, name: Name) -> Lookup[Hit]:
        """See UserMap."""
        if self._fold:
            name = name.folded()
        key = entry = name.whole
        found = self._tables.entry(self.name, entry)
        if found is None and name.untagged:
            key = entry = name.untagged
            found = self._tables.entry(self.name, entry)
        if found is None and name.domain:
            key, entry = name.whole, f"@{name.domain}"
            found = self._tables.entry(self.name, entry)
        if isinstance(found, str):
            return Found(Hit(self._source, key, entry, found))
        return ABSENT if found is None else found


class UnservedMap:
    """A map that this release cannot ask, or that is not defined: always an outage, never a miss."""

    blocks = False

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._answer = Unknown(f"map {name} {why}")

    def look(self, name: Name) -> Lookup[Hit]:
        """See UserMap."""
        return self._answer


TYPES: Final[dict[str, Callable[[MapView, Tables], UserMap]]] = {"sqlite": SqliteMap}


class Chain:
    """Maps in their order. `blocks`: whether one of them does."""

    def __init__(self, maps: Iterable[UserMap]) -> None:
        self.maps = tuple(maps)
        self.blocks = any(user_map.blocks for user_map in self.maps)

    def look(self, name: Name) -> Lookup[Hit]:
        """Ask one map after the other, here, whatever blocks."""
        for user_map in self.maps:
            found = user_map.look(name)
            if found is not ABSENT:
                return found
        return ABSENT

    def walk(self, name: Name) -> Generator[Work, Any, Lookup[Hit]]:
        """The same, but what blocks is yielded."""
        for user_map in self.maps:
            found: Lookup[Hit]
            found = (yield partial(user_map.look, name)) if user_map.blocks else user_map.look(name)
            if found is not ABSENT:
                return found
        return ABSENT


def chain(names: Iterable[str], views: Mapping[str, MapView], tables: Tables) -> Chain:
    """The maps of these names, ready to be asked."""
    return Chain(_map(name, views.get(name), tables) for name in names)


def _map(name: str, view: MapView | None, tables: Tables) -> UserMap:
    if view is None:
        return UnservedMap(name, "is not defined")
    if view.type not in TYPES:
        return UnservedMap(name, f"is of type {view.type}, which this release does not serve")
    return TYPES[view.type](view, tables)
