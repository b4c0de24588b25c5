"""Requests about user maps: which back-end holds which address.

An import is previewed (`dry_run`) and carried out by the same request. What it changes becomes visible all at once, at
its end; until then, and whatever happens to the node or to the client, the entries before it are in force.
"""

from __future__ import annotations

from typing import Any, Literal

from appliance.control.api import Request


class MapList(Request, frozen=True, tag="map list"):
    """Value: [{name, type, entries, used_by: [service], changed, by}].

    entries is null where only the map's own source knows; changed: when its entries last were, seconds since the epoch,
    or null; by: by whom.
    """


class MapShow(Request, frozen=True, tag="map show"):
    """Value: {name, type, settings, used_by, entries, backends: {name: count}, changed, undo}.

    settings as of ServiceShow. For sqlite maps `changed` is the revision that last changed it, and `undo` what
    `map undo` would go back to: {entries, until} or null.
    """

    name: str


class MapCreate(Request, frozen=True, tag="map create"):
    """Refused if there is one of this name. Value: {revision}."""

    name: str
    values: dict[str, Any]


class MapSet(Request, frozen=True, tag="map set"):
    """Set these; a value of null goes back to the default. `type` and `fold` stay while there are entries."""

    name: str
    values: dict[str, Any]


class MapDelete(Request, frozen=True, tag="map delete"):
    """Refused while a service uses it, naming it; and, with entries, without `delete_data`. `map undo` undoes it."""

    name: str
    delete_data: bool = False


class MapImport(Request, frozen=True, tag="map import"):
    """Carries the file's descriptor. `file` is the name it is spoken of by; an empty format is told from the content.

    Without a descriptor `file` is upload:NAME, one that was sent before.

    Value, done or refused: {map, format, reason, read, new, moved, gone, same, duplicates, errors: [{line, text}],
    errors_total, applied, absent, first, moves, examples}. read = new + moved + same + duplicates + errors_total.
    absent: entries that the file does not name (gone, if mode is replace); first: [[line, address, backend]] as read.
    Of a dry run moves: [[from, to, count]], and examples: {new: [[address, backend]], moved: [[address, from, to]],
    gone: [[address, backend]]}, the gone ones being those of `absent`.
    """

    map: str
    file: str
    format: str = ""
    table: str = ""
    mode: Literal["", "replace", "merge"] = ""
    skip_errors: bool = False
    end_sessions: bool = False
    dry_run: bool = False


class MapExport(Request, frozen=True, tag="map export"):
    """Events: [[address, backend], ...], by address, all as they were at one moment."""

    map: str


class MapEntries(Request, frozen=True, tag="map entries"):
    """A page of a sqlite map, by address, behind `after`. `filter`: what address or back-end must contain.

    Value: {entries: [[address, backend]], more}; `backend`: only those there.
    """

    map: str
    filter: str = ""
    backend: str = ""
    after: str = ""
    limit: int = 100


class MapUndo(Request, frozen=True, tag="map undo"):
    """Back to the entries before the last import or deletion, within 7 days; once more returns from there.

    Value: {map, entries, until}.
    """

    map: str
    end_sessions: bool = False


class MapGet(Request, frozen=True, tag="map get"):
    """Value: {map, address, backend, entry, match}; match: exact | domain | without-tag. Refused (1) without a hit."""

    map: str
    address: str


class MapPut(Request, frozen=True, tag="map put"):
    """One entry. Value: {map, address, backend, before}; before is null for a new one."""

    map: str
    address: str
    backend: str
    end_sessions: bool = False


class MapRemove(Request, frozen=True, tag="map remove"):
    """Exactly this entry. Refused (1) if there is none. Value: {map, address, before}."""

    map: str
    address: str
    end_sessions: bool = False
