"""One log, two databases: the same tables and the same digest, however the entries were grouped."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cluster.applier import Applier
from appliance.cluster.locallog import LocalLog
from appliance.cluster.log import Entry, Op, remove_object
from appliance.cluster.writer import Writer
from db import audit, maps, meta
from tests.cluster.databases import account, committed, contents, database, entry, importing, lives, store, undone


def replayed(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Apply all of one database's log to another."""
    Applier(target).apply(list(LocalLog(source).follow(1)))


def test_a_second_home(node: Writer, config: sqlite3.Connection, tmp_path: Path) -> None:
    node.submit(entry(store("a", "h"), account("ann@a.test"), lives("ann@a.test", "a")))
    node.submit(entry(store("a", "again", 0)))  # a conflict
    committed(node, importing(node, [[(f"{n}@a.test", "a") for n in range(900)]] * 2), 2)
    committed(node, importing(node, [[("x@a.test", "b"), ("5@a.test", None)]], mode="merge"), 1)
    importing(node, [[("y@a.test", "b")]])  # not finished
    undone(node)
    node.submit(entry(lives("z@a.test", "a"), remove_object("backend", "a")))
    with closing(database(tmp_path / "second.db")) as second:
        replayed(config, second)
        assert contents(second) == contents(config)
        assert meta.digest(second) == meta.digest(config) != ""
        replayed(config, second)
        assert contents(second) == contents(config)
        assert Writer(second).submit(entry(account("bob@a.test"))).revision == meta.revision(config) + 1


def test_the_digest_tells_other_histories_apart(tmp_path: Path) -> None:
    digests = set()
    for number, names in enumerate((["a", "b"], ["b", "a"], ["a"], ["a", "b", "b"])):
        with closing(database(tmp_path / f"{number}.db")) as connection:
            writer = Writer(connection)
            for name in names:
                writer.submit(entry(account(name)))
            digests.add(meta.digest(connection))
    assert len(digests) == 4


ADDRESSES = st.sampled_from(["a@a", "b@a", "@a"])
REVS = st.none() | st.integers(0, 12)
ops: st.SearchStrategy[Op] = st.one_of(
    st.builds(store, st.sampled_from("ab"), st.sampled_from("hi"), REVS),
    st.builds(remove_object, st.just("backend"), st.sampled_from("ab"), REVS),
    st.builds(account, ADDRESSES, st.sampled_from(["x", "y"]), REVS),
    st.builds(lives, ADDRESSES, st.sampled_from(["a", "b", None]), REVS),
)
rows = st.lists(st.tuples(ADDRESSES, st.sampled_from(["a", "b", None])), max_size=4)
LOADS = st.integers(1, 10)


def step(name: str, **fields: st.SearchStrategy[object]) -> st.SearchStrategy[Entry]:
    """An entry of an import."""
    return st.builds(lambda **drawn: entry(kind="imp", step=name, **drawn), map=st.just("people"), **fields)


entries: st.SearchStrategy[Entry] = st.one_of(
    st.lists(ops, min_size=1, max_size=3).map(lambda drawn: entry(*drawn)),
    step("begin", mode=st.sampled_from(["replace", "merge"]), base_rev=REVS),
    st.builds(lambda load, drawn: entry(kind="rows", load=load, rows=drawn), LOADS, rows),
    step("commit", load=LOADS, of=st.integers(0, 2)),
    step("abort", load=LOADS),
    step("undo"),
)


@settings(max_examples=60)
@given(st.lists(entries, max_size=14))
def test_any_history(history: list[Entry]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(database(Path(folder) / "a.db")) as first,
        closing(database(Path(folder) / "b.db")) as second,
    ):
        for made in history:
            Writer(first).submit(made)
        replayed(first, second)
        assert contents(second) == contents(first)
        consistent(first, len(history))


def consistent(connection: sqlite3.Connection, applied: int) -> None:
    """What must be true of any database: each entry has its record, each map as many entries as it says."""
    assert meta.revision(connection) == applied
    assert all(audit.get(connection, revision) for revision in range(1, applied + 1))
    for state in maps.states(connection).values():
        assert state.entries == maps.entries(connection, state.load)
