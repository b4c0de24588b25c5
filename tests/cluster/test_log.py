"""Entries as octets, and the local log: one order, each id once, trimmed at its old end only."""

from __future__ import annotations

import sqlite3
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cluster.locallog import LocalLog
from appliance.cluster.log import MAX_ENTRY, Entry, Trimmed, UpgradeNeeded, decode, encode, new_id
from db import meta
from tests.cluster.databases import account, entry, lives, store


def test_an_entry_is_readable_text() -> None:
    data = encode(entry(store("a", "h", 0), what="add a"))
    assert b'"what":"add a"' in data
    assert data.endswith(b'"v":1}')
    assert b"rows" not in data, "what an entry does not use is not in it: later releases may add fields"


def test_long_entries_are_compressed() -> None:
    rows = [(f"user{n}@a.test", "mail1") for n in range(1000)]
    long = entry(kind="rows", load=1, rows=rows)
    assert len(encode(long)) < 10_000
    assert decode(encode(long)) == long


def test_too_long_an_entry_is_refused() -> None:
    import random

    noise = random.Random(1).randbytes(MAX_ENTRY).hex()
    with pytest.raises(ValueError, match="make it in parts"):
        encode(entry(account("a", noise)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"not json",
        b'{"id":"a","by":"","origin":"","at":0,"what":"","v":2}',
        b'{"id":"a","by":"","origin":"","at":0,"what":"","v":1,"later":1}',
        b'{"id":"a","by":"","origin":"","at":0,"what":"","v":1,"kind":"later"}',
        zlib.compress(b"{"),
        zlib.compress(b"x" * 100)[:20],
    ],
)
def test_what_this_release_does_not_know_needs_an_upgrade(data: bytes) -> None:
    with pytest.raises(UpgradeNeeded):
        decode(data)


@given(st.binary(max_size=200))
def test_any_octets_are_an_entry_or_need_an_upgrade(data: bytes) -> None:
    for octets in (data, b"{" + data, zlib.compress(data)):
        try:
            assert isinstance(decode(octets), Entry)
        except UpgradeNeeded as error:
            assert str(error)


def test_ids_sort_by_time_and_are_never_the_same() -> None:
    assert new_id("b", 1000.0) < new_id("a", 1000.1)
    assert len({new_id("a", 1.0) for _ in range(1000)}) == 1000


def test_appending_the_same_id_again_changes_nothing(config: sqlite3.Connection) -> None:
    log = LocalLog(config)
    assert [log.append(name, b"x") for name in ("a", "b", "a", "c")] == [1, 2, 1, 3]
    assert log.head() == 3
    assert list(log.follow(2)) == [(2, "b", b"x"), (3, "c", b"x")]
    assert list(log.follow(4)) == []


def test_following_reads_on_in_pages(config: sqlite3.Connection) -> None:
    log = LocalLog(config)
    for number in range(150):
        log.append(str(number), b"x")
    following = log.follow(1)
    assert [next(following)[0] for _ in range(100)] == list(range(1, 101))
    log.append("later", b"x")
    assert [revision for revision, *_ in following] == list(range(101, 152))


def test_a_trimmed_log_goes_on_counting_and_says_that_it_was_trimmed(config: sqlite3.Connection) -> None:
    log = LocalLog(config)
    for name in "abc":
        log.append(name, b"x")
    log.trim(2)
    assert [revision for revision, *_ in log.follow(3)] == [3]
    with pytest.raises(Trimmed):
        list(log.follow(2))
    log.trim(3)
    assert log.head() == 3
    assert log.append("d", b"x") == 4


def test_a_database_filled_from_another_log_goes_on_after_it(config: sqlite3.Connection) -> None:
    meta.put(config, "revision", 70)
    assert LocalLog(config).append("a", b"x") == 71


def test_a_change_and_its_key() -> None:
    op = lives("a@b", "mail1", 3)
    assert (op.key, op.if_rev) == ({"map": "people", "address": "a@b"}, 3)
