"""Maps: exact, without the tag, by domain; one after the other; and an outage is never a miss."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from appliance.routing.names import Name, rules
from appliance.routing.snapshot import MapView
from appliance.routing.tables import Tables
from appliance.routing.usermap import Chain, Hit, SqliteMap, UserMap, chain
from appliance.terms import ABSENT, Found, Lookup, Unknown
from tests.routing.configuration import MARIA, Configuration

RULES = rules("", "+", {})


def name(text: str) -> Name:
    found = RULES.normalise(text)
    assert found is not None
    return found


@pytest.fixture
def tables(configuration: Configuration) -> Iterator[Tables]:
    made = Tables(configuration.path)
    assert made.renew()
    yield made
    made.close()


def look(maps: Iterable[UserMap], text: str) -> Lookup[Hit]:
    """Both ways to ask, which say the same."""
    asked = Chain(maps)
    steps = asked.walk(name(text))
    answer = None
    while True:
        try:
            answer = steps.send(answer)()
        except StopIteration as end:
            found: Lookup[Hit] = end.value
            assert asked.look(name(text)) == found
            return found


def test_order_within_a_map(configuration: Configuration, tables: Tables) -> None:
    configuration.put(
        "people",
        {"a@x.test": "alpha", "a+work@x.test": "beta", "@x.test": "gamma", "Big@y.test": "alpha", "low@y.test": "beta"},
    )
    tables.renew()
    folding, exact = (SqliteMap(MapView("people", "sqlite", fold), tables) for fold in (True, False))
    asked = {
        "A@x.test": ("a@x.test", "a@x.test", "alpha"),
        "a+work@x.test": ("a+work@x.test", "a+work@x.test", "beta"),
        "a+other@x.test": ("a@x.test", "a@x.test", "alpha"),
        "b@x.test": ("b@x.test", "@x.test", "gamma"),
        "b+t@x.test": ("b+t@x.test", "@x.test", "gamma"),
    }
    for text, (key, entry, back_end) in asked.items():
        assert folding.look(name(text)) == Found(Hit("map people", key, entry, back_end))
    assert folding.look(name("Big@y.test")) is ABSENT
    assert exact.look(name("Big@y.test")) == Found(Hit("map people", "Big@y.test", "Big@y.test", "alpha"))
    assert exact.look(name("LOW@y.test")) is ABSENT
    assert exact.look(name("nodomain")) is ABSENT


def test_the_first_hit_counts(configuration: Configuration, tables: Tables) -> None:
    configuration.put("more", {MARIA: "beta", "only@x.test": "beta", "@example.test": "gamma"})
    tables.renew()
    views = {each: MapView(each, "sqlite", True) for each in ("people", "more")}
    maps = chain(("people", "more"), views, tables).maps
    assert look(maps, MARIA) == Found(Hit("map people", MARIA, MARIA, "alpha"))
    assert look(maps, "only@x.test") == Found(Hit("map more", "only@x.test", "only@x.test", "beta"))
    assert look(maps, "who@example.test") == Found(Hit("map more", "who@example.test", "@example.test", "gamma"))
    assert look(maps, "who@elsewhere.test") is ABSENT
    assert look((), MARIA) is ABSENT


class Directory:
    """A map that is asked in a thread."""

    blocks = True
    name = "directory"

    def __init__(self, answer: Lookup[Hit]) -> None:
        self.answer = answer

    def look(self, name: Name) -> Lookup[Hit]:
        return self.answer


def test_a_map_that_blocks_is_yielded(tables: Tables) -> None:
    (people,) = chain(("people",), {"people": MapView("people", "sqlite", True)}, tables).maps
    there = Found(Hit("map directory", MARIA, MARIA, "beta"))
    asked = Chain((Directory(ABSENT), people))
    assert asked.blocks and not Chain((people,)).blocks
    steps = asked.walk(name(MARIA))
    work = next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(work())
    assert end.value.value == Found(Hit("map people", MARIA, MARIA, "alpha"))
    assert look((Directory(there), people), MARIA) == there


def test_unknown_stops_the_chain(tables: Tables) -> None:
    views = {"people": MapView("people", "sqlite", True), "later": MapView("later", "ldap-bind", True)}
    assert look((Directory(Unknown("time-out")), *chain(("people",), views, tables).maps), MARIA) == Unknown("time-out")
    assert isinstance(look(chain(("gone", "people"), views, tables).maps, MARIA), Unknown)
    assert isinstance(look(chain(("later", "people"), views, tables).maps, MARIA), Unknown)


def test_a_new_load_is_seen_at_the_next_renewal(configuration: Configuration, tables: Tables) -> None:
    configuration.put("people", {MARIA: "beta"})
    assert tables.entry("people", MARIA) == "alpha", "the held transaction shows one moment"
    assert tables.renew() and tables.revision == configuration.revision
    assert tables.entry("people", MARIA) == "beta"
    assert tables.entry("people", "who@example.test") is None
    assert tables.entry("never filled", MARIA) is None


def _truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(4096)


def _garble(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def _empty(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(0)


@pytest.mark.parametrize("harm", [_truncate, _garble, _empty])
@pytest.mark.parametrize("held", [True, False])
def test_a_broken_database_is_unknown(
    tmp_path: Path, configuration: Configuration, harm: Callable[[Path], None], held: bool
) -> None:
    configuration.put("big", {f"u{number:05}@example.test": "alpha" for number in range(20000)})
    configuration.settle()
    tables = Tables(configuration.path)
    assert tables.renew()
    assert tables.entry("big", "u00007@example.test") == "alpha"
    harm(configuration.path)
    if not held:
        tables.renew()
    for number in range(0, 20000, 97):
        found = tables.entry("big", f"u{number:05}@example.test")
        assert found == "alpha" or isinstance(found, Unknown), "an outage was taken for a miss"
    assert isinstance(tables.entry("big", "u19999@example.test"), Unknown)
    assert isinstance(tables.account("u19999@example.test"), Unknown)
    tables.close()


def test_a_locked_database_is_unknown_and_comes_back(configuration: Configuration, tmp_path: Path) -> None:
    path = tmp_path / "plain.db"
    locker = sqlite3.connect(path, isolation_level=None)
    configuration.writer.backup(locker)
    locker.execute("PRAGMA journal_mode = DELETE")
    tables = Tables(path)
    assert tables.renew()
    tables.connection.execute("COMMIT")
    locker.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    assert not tables.renew() and not tables.renew()
    assert time.monotonic() - began < 1, "the loop of a worker stood still"
    assert "locked" in tables.problem
    assert isinstance(tables.entry("people", MARIA), Unknown) and isinstance(tables.account(MARIA), Unknown)
    locker.execute("ROLLBACK")
    assert tables.renew()
    assert tables.entry("people", MARIA) == "alpha"
    tables.close()
    assert isinstance(tables.entry("people", MARIA), Unknown)
    locker.close()


def test_no_database_is_unknown(tmp_path: Path) -> None:
    tables = Tables(tmp_path / "none.db")
    assert isinstance(tables.entry("people", MARIA), Unknown)
    assert not tables.renew()
    assert isinstance(tables.entry("people", MARIA), Unknown)
    assert not (tmp_path / "none.db").exists()
