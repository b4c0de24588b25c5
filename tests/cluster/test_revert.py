"""Reverting a change: the rows as they were before it, unless somebody changed them since."""

from __future__ import annotations

import sqlite3

import pytest

from appliance.cluster.log import Op, remove_object
from appliance.cluster.revert import revert
from appliance.cluster.writer import Writer
from db import maps
from db.objects import read_objects
from tests.cluster.databases import account, committed, entry, importing, lives, row, store


def test_a_change_of_several_rows(node: Writer, config: sqlite3.Connection) -> None:
    node.submit(entry(store("a", "old"), store("gone", "h"), lives("ann@a.test", "a")))
    changed = node.submit(
        entry(
            store("a", "new"),
            remove_object("backend", "gone"),
            store("b", "h"),
            lives("ann@a.test", "b"),
            lives("bob@a.test", "b"),
        )
    )
    assert node.submit(entry(*revert(config, changed.revision))).done
    assert read_objects(config).bodies() == {
        ("backend", "a"): {"imap": "old:143"},
        ("backend", "gone"): {"imap": "h:143"},
    }
    assert row(config, lives("ann@a.test", None)) == {"map": "people", "address": "ann@a.test", "backend": "a"}
    assert row(config, lives("bob@a.test", None)) is None


def test_a_later_change_is_not_lost(node: Writer, config: sqlite3.Connection) -> None:
    first = node.submit(entry(store("a", "h1"), store("b", "h1")))
    node.submit(entry(store("b", "h2"), what="set b"))
    verdict = node.submit(entry(*revert(config, first.revision)))
    assert verdict.conflict.startswith("backend b was changed meanwhile: by ann (test)")
    assert read_objects(config).names("backend") == ["a", "b"]


def test_what_was_removed_and_made_again_is_not_written_over(node: Writer, config: sqlite3.Connection) -> None:
    node.submit(entry(store("a", "h1")))
    removed = node.submit(entry(remove_object("backend", "a")))
    node.submit(entry(store("a", "h2")))
    assert not node.submit(entry(*revert(config, removed.revision))).done


def test_an_import(node: Writer, config: sqlite3.Connection) -> None:
    node.submit(entry(lives("ann@a.test", "a")))
    flipped = committed(node, importing(node, [[("bob@a.test", "b")]]), 1)
    assert node.submit(entry(*revert(config, flipped.revision))).done
    state = maps.state(config, "people")
    assert state is not None and dict(maps.rows(config, state.load)) == {"ann@a.test": "a"}


def test_a_revert_can_be_reverted(node: Writer, config: sqlite3.Connection) -> None:
    changed = node.submit(entry(account("ann@a.test", "x")))
    back = node.submit(entry(*revert(config, changed.revision)))
    assert node.submit(entry(*revert(config, back.revision))).done
    op: Op = account("ann@a.test")
    assert (row(config, op) or {})["password"] == "x"


def test_what_cannot_be_reverted(node: Writer, config: sqlite3.Connection) -> None:
    with pytest.raises(LookupError, match="no change 7"):
        revert(config, 7)
    node.submit(entry(store("a", "h")))
    conflict = node.submit(entry(store("a", "h", 0)))
    with pytest.raises(ValueError, match="nothing to revert: backend a exists already"):
        revert(config, conflict.revision)
    begun = importing(node, [])
    with pytest.raises(ValueError, match="changed no rows"):
        revert(config, begun)
