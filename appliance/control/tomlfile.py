"""The configuration as one TOML file: to objects and back, every mistake named with its line.

A value that names a file is replaced by the file's content here, on the side of whoever owns the TOML: the controller
may not be able to read it, nor know in which folder it lies. Export writes KEPT for all contents, secret or not.
Must never apply anything, nor print a secret.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance.control.api.config import KEPT, Item
from appliance.control.tomllines import Path as KeyPath
from appliance.control.tomllines import line_of, lines_of
from db import catalogue
from db.catalogue import Kind, Problem, Setting

LONGEST: Final = 4 * 1024 * 1024  # octets of a TOML file
LONGEST_NAMED: Final = 1024 * 1024  # octets of a file that it names

Key = tuple[str, str]
Body = dict[str, Any]
Content = Callable[[str], str]  # from the path in the TOML; raises ValueError with a sentence


class Fault(msgspec.Struct, frozen=True):
    """One mistake. `key` is the whole path to it, like backend.mail1.tls; empty: the file as such."""

    line: int
    key: str
    text: str


class Reading(msgspec.Struct):
    """What a file says: objects as they are stored (secrets in clear or KEPT), and where each of them stands."""

    objects: dict[Key, Body]
    faults: list[Fault]
    places: dict[Key, KeyPath]
    lines: dict[KeyPath, int]

    def items(self) -> list[Item]:
        """The objects, to be sent."""
        return [Item(kind, name, body) for (kind, name), body in self.objects.items()]

    def fault(self, problem: Problem) -> Fault:
        """A problem of an object, with the line of the key that it speaks of."""
        place = self.places.get((problem.kind, problem.name), (problem.kind,))
        keys = tuple(problem.key.split(".")) if problem.key else ()
        whole = ".".join(part for part in (problem.kind, problem.name, problem.key) if part)
        return Fault(line_of(self.lines, (*place, *keys)), whole, problem.text)


def load(path: Path) -> Reading:
    """Read a file, and the files it names relative to its own folder. Raises OSError if it cannot be read at all."""
    with path.open("rb") as file:
        octets = file.read(LONGEST + 1)
    if len(octets) > LONGEST:
        return _unreadable(f"it is longer than {LONGEST // 1024 // 1024} MiB")
    try:
        return read(octets.decode(), lambda name: content(path.parent / name))
    except UnicodeDecodeError as error:
        return _unreadable("it is not UTF-8", octets.count(b"\n", 0, error.start) + 1)


def read(text: str, content_of: Content) -> Reading:
    """What a TOML text says. Never raises: mistakes are in `faults`, ordered by line."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return _not_toml(text, error)
    except RecursionError:
        return _unreadable("its tables and arrays are nested too deep")
    reading = Reading({}, [], {}, lines_of(text))
    _Reader(reading, content_of).document(document)
    for problem in catalogue.check_all(reading.objects):
        if not _is_kept(reading.objects, problem):
            reading.faults.append(reading.fault(problem))
    reading.faults = sorted(set(reading.faults), key=lambda fault: (fault.line, fault.key, fault.text))
    return reading


def document_of(items: Iterable[Item]) -> dict[str, Any]:
    """The nested tables of these objects, in the order of the catalogue, contents as KEPT: what export prints."""
    by_kind: dict[str, list[Item]] = {}
    for item in items:
        by_kind.setdefault(item.kind, []).append(item)
    document: dict[str, Any] = {}
    for kind in catalogue.KINDS.values():
        found = sorted(by_kind.get(kind.name, []), key=lambda item: item.name)
        if found and kind.single:
            document[kind.name] = _written(kind, found[0])
        elif found and kind.named_by:
            document[kind.name] = [_named(kind, item) for item in found]
        elif found:
            document[kind.name] = {item.name: _written(kind, item) for item in found}
    return document


def _written(kind: Kind, item: Item) -> Body:
    """A body with the keys, and in the order, that administrators write."""
    return {
        setting.name: KEPT if setting.file and item.body[setting.stored] else item.body[setting.stored]
        for setting in kind.settings
        if setting.stored in item.body
    }


def _named(kind: Kind, item: Item) -> Body:
    body = _written(kind, item)
    return body if kind.written(kind.named_by) else {kind.named_by: item.name, **body}


def content(path: Path) -> str:
    """The text of a file that a setting names. Raises ValueError with a sentence."""
    try:
        with path.open("rb") as file:
            octets = file.read(LONGEST_NAMED + 1)
        if len(octets) > LONGEST_NAMED:
            raise ValueError(f"{path} is longer than {LONGEST_NAMED // 1024} KiB")
        return octets.decode()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None


def _is_kept(objects: Mapping[Key, Body], problem: Problem) -> bool:
    """What is kept was right when it was stored, and only the node has it."""
    setting = catalogue.KINDS[problem.kind].written(problem.key)
    return setting is not None and objects.get((problem.kind, problem.name), {}).get(setting.stored) == KEPT


def _unreadable(text: str, line: int = 1) -> Reading:
    return Reading({}, [Fault(line, "", text)], {}, {})


def _not_toml(text: str, error: tomllib.TOMLDecodeError) -> Reading:
    """tomllib says "... (at line 3, column 5)" or "... (at end of document)"."""
    sentence, _, place = str(error).removesuffix(")").rpartition(" (at ")
    number = place.removeprefix("line ").partition(",")[0]
    line = int(number) if number.isdigit() else text.rstrip("\n").count("\n") + 1
    return _unreadable(f"not TOML: {sentence[:1].lower()}{sentence[1:]}", line)


class _Reader:
    """Walks a document once and notes objects and faults in a Reading."""

    def __init__(self, reading: Reading, content_of: Content) -> None:
        self.reading = reading
        self.content_of = content_of

    def document(self, document: Mapping[str, Any]) -> None:
        for word, value in document.items():
            kind = catalogue.KINDS.get(word)
            if kind is None:
                self._fault((word,), word, "there is no such table" + _guess(word, catalogue.KINDS))
                continue
            for name, place, table in self._tables(kind, value):
                self._object(kind, name, place, table)

    def _tables(self, kind: Kind, value: Any) -> Iterator[tuple[str, KeyPath, Body]]:
        """Each object of a kind: its name, where it stands, what it says."""
        shape, pairs = _shape(kind, value)
        if pairs is None:
            self._fault((kind.name,), kind.name, f"is written as {shape}")
            return
        for key, table in pairs:
            place: KeyPath = (kind.name,) if kind.single else (kind.name, key)
            name = self._name(kind, key, place, table)
            if name is not None:
                yield name, place, table

    def _name(self, kind: Kind, key: str | int, place: KeyPath, table: Body) -> str | None:
        if kind.single or not kind.named_by:
            return str(key)
        if kind.named_by not in table and (setting := kind.written(kind.named_by)) is not None:
            return str(setting.default[0])
        name = catalogue.name_of(kind.name, table)
        if not name:
            self._fault((*place, kind.named_by), f"{kind.name}.{kind.named_by}", "is missing, or no text")
        return name or None

    def _object(self, kind: Kind, name: str, place: KeyPath, table: Body) -> None:
        if (kind.name, name) in self.reading.objects:
            first = line_of(self.reading.lines, self.reading.places[kind.name, name])
            self._fault(place, f"{kind.name}.{name}", f"is there twice; the first begins in line {first}")
            return
        self.reading.places[kind.name, name] = place
        self.reading.objects[kind.name, name] = {}
        body = self.reading.objects[kind.name, name]
        naming = kind.named_by if not kind.written(kind.named_by) else ""
        for key, value in table.items():
            if key != naming:
                self._setting(kind, name, key, value, body)

    def _setting(self, kind: Kind, name: str, key: str, value: Any, body: Body) -> None:
        place = (*self.reading.places[kind.name, name], key)
        whole = ".".join(part for part in (kind.name, name, key) if part)
        setting = kind.written(key)
        if setting is None:
            known = [known.name for known in kind.settings]
            self._fault(place, whole, "there is no such key" + _guess(key, known))
            return
        try:
            body[setting.stored] = self._value(setting, value)
        except ValueError as error:
            self._fault(place, whole, str(error))
            body[setting.stored] = KEPT  # so that the check of the whole does not call it missing as well

    def _value(self, setting: Setting, value: Any) -> Any:
        """Where the setting is a file, the content of the one that is named."""
        if not setting.file or not isinstance(value, str) or value in ("", KEPT):
            return value
        text = self.content_of(value)
        return text.rstrip("\r\n") if setting.secret else text

    def _fault(self, place: KeyPath, key: str, text: str) -> None:
        self.reading.faults.append(Fault(line_of(self.reading.lines, place), key, text))


def _shape(kind: Kind, value: Any) -> tuple[str, Iterable[tuple[str | int, Body]] | None]:
    """How a kind is written, and its tables by key or number; None if this value is something else."""
    if kind.single:
        return f"[{kind.name}]", [("", value)] if isinstance(value, dict) else None
    if kind.named_by:  # a table without a key says nothing: somebody's reminder that there could be one
        right = isinstance(value, list) and all(isinstance(table, dict) for table in value)
        return f"[[{kind.name}]]", [(at, table) for at, table in enumerate(value) if table] if right else None
    right = isinstance(value, dict) and all(isinstance(table, dict) for table in value.values())
    return f"[{kind.name}.NAME]", list(value.items()) if right else None


def _guess(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""
