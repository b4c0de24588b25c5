"""The log entry: the only way anything in config.db changes; and the log itself, as whoever keeps it must behave.

Full row images only: nothing is computed when an entry is applied, so that two releases cannot disagree. An entry
is JSON, compressed above 1 kB, at most MAX_ENTRY octets.
"""

from __future__ import annotations

import secrets
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, Protocol

import msgspec

VERSION: Final = 1
MAX_ENTRY: Final = 1_500_000
MAX_ROWS: Final = 1_000
_COMPRESSED_ABOVE: Final = 1024


class UpgradeNeeded(Exception):  # noqa: N818 - a fact, not an error of ours
    """The log holds what this release does not know. It must apply nothing more, and go on serving."""


class Op(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One row put (`row`: the full row, without rev) or deleted (`row` None).

    `key` and `row` as in db/rows.py. `if_rev`: the revision that the row must still have, 0 = must not exist,
    None = whatever it is.
    """

    table: str
    key: dict[str, Any]
    row: dict[str, Any] | None = None
    if_rev: int | None = None


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One change. `ops`: all or nothing. `imp` and `rows`: an import of a map, in steps. `base`: a log begins here.

    An import: step `begin` (`map`, `mode`, `base_rev`: the map_state's rev that it builds on); its revision is the
    `load` of all that follows. `rows`: up to MAX_ROWS of (address, back-end; None deletes). Then `commit` (`of`: how
    many chunks there must be) or `abort`. `undo` (of a `map`) goes back to the load before; doing it twice, forth.
    """

    id: str
    by: str
    origin: str
    at: float  # seconds since the epoch, by the author's clock
    what: str  # for people
    kind: Literal["ops", "rows", "imp", "base"] = "ops"
    ops: list[Op] = []
    map: str = ""
    step: Literal["", "begin", "commit", "abort", "undo"] = ""
    mode: Literal["", "replace", "merge"] = ""
    load: int = 0
    chunk: int = 0
    of: int = 0
    rows: list[tuple[str, str | None]] = []
    base_rev: int | None = None
    digest: str = ""
    v: int = msgspec.field(default_factory=lambda: VERSION)  # by a factory, so that it is never omitted


class Log(Protocol):
    """Whoever keeps the entries: in one order, each id once, never lost once appended."""

    def append(self, id: str, entry: bytes) -> int:  # noqa: A002
        """Add an entry; its revision. The same id again changes nothing and answers the same."""

    def follow(self, from_revision: int) -> Iterator[tuple[int, str, bytes]]:
        """Entries from that revision on, in order. Raises Trimmed if they are not all kept any more."""

    def head(self) -> int:
        """The highest revision given out."""

    def trim(self, revision: int) -> None:
        """Forget entries of that revision and below."""

    def together(self) -> AbstractContextManager[None]:
        """Inside it, appending and applying are one transaction, where the log lives in the same database."""


class Trimmed(Exception):  # noqa: N818 - a fact, not an error of ours
    """The log does not go back that far any more: a snapshot is needed."""


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """The octets of an entry. Raises ValueError if they are too many."""
    data = _encoder.encode(entry)
    if len(data) > _COMPRESSED_ABOVE:
        data = zlib.compress(data, 1)
    if len(data) > MAX_ENTRY:
        raise ValueError(f"a change may have {MAX_ENTRY} octets, this one has {len(data)}: make it in parts")
    return data


def decode(data: bytes) -> Entry:
    """The entry of some octets. Raises UpgradeNeeded if it is of a format that this release does not know."""
    try:
        entry = _decoder.decode(data if data[:1] == b"{" else zlib.decompress(data))
    except (msgspec.DecodeError, zlib.error) as error:
        raise UpgradeNeeded(f"an entry of the log cannot be read by this release: {error}") from error
    if entry.v != VERSION:
        raise UpgradeNeeded(f"an entry of the log has format {entry.v}, this release knows {VERSION}")
    return entry


def new_id(node: str, at: float | None = None) -> str:
    """An id for an entry: sorts by time, names the node, is never given twice."""
    return f"{int((time.time() if at is None else at) * 1000):012x}-{node}-{secrets.token_hex(5)}"


def change(node: str, by: str, origin: str, what: str, ops: Sequence[Op]) -> Entry:
    """A new entry of ops, made now."""
    now = time.time()
    return Entry(id=new_id(node, now), by=by, origin=origin, at=now, what=what, ops=list(ops))


def put(table: str, row: dict[str, Any], key: Sequence[str], if_rev: int | None = None) -> Op:
    """The op that writes a row; `key` names its key columns."""
    return Op(table, {name: row[name] for name in key}, row, if_rev)


def put_object(kind: str, name: str, body: dict[str, Any], if_rev: int | None = None) -> Op:
    """The op that stores a configuration object: all that is set of it, secrets sealed."""
    return put("object", {"kind": kind, "name": name, "body": body}, ("kind", "name"), if_rev)


def remove_object(kind: str, name: str, if_rev: int | None = None) -> Op:
    """The op that removes a configuration object."""
    return Op("object", {"kind": kind, "name": name}, None, if_rev)
