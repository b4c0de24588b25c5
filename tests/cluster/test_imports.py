"""Imports: invisible until committed, dropped when aborted, in conflict with a change meanwhile, undone and redone."""

from __future__ import annotations

import sqlite3
from typing import Any

from appliance.cluster.imports import UNDO
from appliance.cluster.writer import Writer
from db import audit, maps
from tests.cluster.databases import NOON, committed, entry, importing, lives, undone

ANN, BOB, EVE = "ann@a.test", "bob@a.test", "eve@a.test"


def people(connection: sqlite3.Connection) -> dict[str, str]:
    """The map in use."""
    state = maps.state(connection, "people")
    assert state is not None
    found = dict(maps.rows(connection, state.load))
    assert state.entries == len(found)
    return found


def test_an_import_is_seen_at_its_commit(node: Writer, config: sqlite3.Connection) -> None:
    node.submit(entry(lives(ANN, "old")))
    load = importing(node, [[(BOB, "m1")], [(EVE, "m2")]])
    assert people(config) == {ANN: "old"}
    assert [begun.load for begun in maps.unfinished(config)] == [load]
    done = committed(node, load, 2)
    assert people(config) == {BOB: "m1", EVE: "m2"}
    assert maps.unfinished(config) == []
    state = maps.state(config, "people")
    assert state == maps.MapState(load, 1, NOON + UNDO, 2, done.revision)


def test_merging_puts_and_deletes_into_a_copy(node: Writer, config: sqlite3.Connection) -> None:
    node.submit(entry(lives(ANN, "m1"), lives(BOB, "m1")))
    load = importing(node, [[(ANN, "m2"), (EVE, "m2"), (BOB, None)]], mode="merge")
    assert people(config) == {ANN: "m1", BOB: "m1"}
    committed(node, load, 1)
    assert people(config) == {ANN: "m2", EVE: "m2"}
    assert undone(node).done
    assert people(config) == {ANN: "m1", BOB: "m1"}


def test_merging_keeps_the_revisions_of_what_it_does_not_touch(node: Writer, config: sqlite3.Connection) -> None:
    node.submit(entry(lives(ANN, "m1"), lives(BOB, "m1")))
    committed(node, importing(node, [[(BOB, "m2")]], mode="merge"), 1)
    assert node.submit(entry(lives(ANN, "m3", 1))).done
    assert not node.submit(entry(lives(BOB, "m3", 1))).done


def test_a_change_meanwhile_is_a_conflict(node: Writer, config: sqlite3.Connection) -> None:
    load = importing(node, [[(ANN, "m1")]])
    node.submit(entry(lives(BOB, "m2"), what="put bob", by="bob"))
    verdict = committed(node, load, 1)
    assert verdict.conflict.startswith("map people was changed meanwhile: by bob (test)")
    assert people(config) == {BOB: "m2"}
    assert maps.unfinished(config), "it can still be aborted"


def test_of_two_imports_the_first_to_commit_wins(node: Writer, config: sqlite3.Connection) -> None:
    first, second = importing(node, [[(ANN, "m1")]]), importing(node, [[(BOB, "m2")]])
    assert committed(node, second, 1).done
    assert not committed(node, first, 1).done
    assert people(config) == {BOB: "m2"}


def test_an_import_based_on_another_state_does_not_begin(node: Writer) -> None:
    node.submit(entry(lives(ANN, "m1")))
    begin: dict[str, Any] = {"kind": "imp", "step": "begin", "map": "people", "mode": "replace"}
    assert not node.submit(entry(**begin, base_rev=0)).done
    assert node.submit(entry(**begin, base_rev=1)).done


def test_an_incomplete_import_is_not_committed(node: Writer, config: sqlite3.Connection) -> None:
    load = importing(node, [[(ANN, "m1")]])
    assert committed(node, load, 2).conflict == "the import into map people is not complete: 1 of 2 parts arrived"
    assert maps.state(config, "people") is None


def test_the_same_chunk_again_is_counted_once(node: Writer, config: sqlite3.Connection) -> None:
    load = importing(node, [])
    chunk = entry(kind="rows", load=load, chunk=1, rows=[(ANN, "m1")])
    node.submit(chunk)
    node.submit(chunk)
    assert committed(node, load, 1).done
    assert people(config) == {ANN: "m1"}


def test_an_aborted_import_takes_no_more(node: Writer, config: sqlite3.Connection) -> None:
    load = importing(node, [[(ANN, "m1")]])
    assert node.submit(entry(kind="imp", step="abort", load=load)).done
    late = [node.submit(entry(kind="rows", load=load, rows=[(BOB, "m1")])), committed(node, load, 1)]
    assert all(verdict.conflict.startswith(f"no import {load} is under way") for verdict in late)
    assert maps.state(config, "people") is None


def test_undo_goes_back_and_forth(node: Writer, config: sqlite3.Connection) -> None:
    committed(node, importing(node, [[(ANN, "m1")]]), 1)
    committed(node, importing(node, [[(BOB, "m2")]]), 1)
    assert undone(node).done
    assert people(config) == {ANN: "m1"}
    assert undone(node).done
    assert people(config) == {BOB: "m2"}


def test_the_first_import_is_undone_to_an_empty_map(node: Writer, config: sqlite3.Connection) -> None:
    committed(node, importing(node, [[(ANN, "m1")]]), 1)
    assert undone(node).done
    assert people(config) == {}
    put = node.submit(entry(lives(BOB, "m2")))
    assert people(config) == {BOB: "m2"}
    state = maps.state(config, "people")
    assert state is not None and state.load == put.revision, "the empty load is shared by all maps, and stays empty"


def test_undo_is_for_seven_days(node: Writer) -> None:
    assert "nothing to go back to" in undone(node).conflict
    node.submit(entry(lives(ANN, "m1")))
    assert "nothing to go back to" in undone(node).conflict
    committed(node, importing(node, [[(BOB, "m2")]]), 1)
    assert not undone(node, NOON + UNDO).done
    assert undone(node, NOON + UNDO - 1).done


def test_the_record_lists_an_import_once(node: Writer, config: sqlite3.Connection) -> None:
    committed(node, importing(node, [[(ANN, "m1")], [(BOB, "m1")]]), 2)
    assert [(found.revision, found.kind) for found in audit.page(config)] == [(4, "imp"), (1, "imp")]


def test_long_rows_and_all_kinds_of_letters(node: Writer, config: sqlite3.Connection) -> None:
    rows = [("ü" * 200 + "@ä.test", "m1"), ("quote'\"@a.test", "m1"), ("nul\0@a.test", "m2"), ("", "m")]
    committed(node, importing(node, [rows]), 1)
    assert people(config) == dict(rows)
