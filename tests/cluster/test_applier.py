"""Entries of ops: all or nothing, each once, conflicts named, the unknown never skipped."""

from __future__ import annotations

import sqlite3

import pytest

from appliance.cluster.applier import Applier
from appliance.cluster.locallog import LocalLog
from appliance.cluster.log import Op, UpgradeNeeded, encode, remove_object
from appliance.cluster.writer import Behind, Writer
from db import accounts, audit, maps, meta
from db.objects import read_objects
from tests.cluster.databases import DistantLog, account, contents, entry, lives, row, store


def test_a_change_is_a_row_with_its_revision(node: Writer, config: sqlite3.Connection) -> None:
    first = node.submit(entry(store("a", "h1", 0)))
    second = node.submit(entry(store("a", "h2", first.revision), store("b", "h3", 0)))
    assert (first.revision, second.revision, second.done) == (1, 2, True)
    objects = read_objects(config)
    assert objects.body("backend", "a") == {"imap": "h2:143"}
    assert (objects.rev("backend", "a"), objects.revision, meta.revision(config)) == (2, 2, 2)
    assert node.submit(entry(remove_object("backend", "a", 2))).done
    assert read_objects(config).names("backend") == ["b"]


def test_data_does_not_move_the_configurations_revision(node: Writer, config: sqlite3.Connection) -> None:
    node.submit(entry(store("a", "h")))
    node.submit(entry(account("ann@a.test"), lives("ann@a.test", "a")))
    assert (meta.config_revision(config), meta.revision(config)) == (1, 2)
    node.submit(entry(remove_object("backend", "a")))
    assert meta.config_revision(config) == 3


def test_a_conflict_does_nothing_and_says_whose_change_it_met(node: Writer, config: sqlite3.Connection) -> None:
    node.submit(entry(store("a", "h1")))
    node.submit(entry(store("a", "h2"), what="set backend a imap=h2", by="bob"))
    verdict = node.submit(entry(store("b", "h"), store("a", "h3", 1)))
    assert not verdict.done
    assert verdict.conflict == (
        "backend a was changed meanwhile: by bob (test) at 2027-01-15 08:00:00 UTC: set backend a imap=h2"
    )
    assert read_objects(config).names("backend") == ["a"]
    found = audit.get(config, 3)
    assert found is not None
    assert (found.verdict, found.before, found.after[1]["row"]["body"]) == ("conflict", [], {"imap": "h3:143"})


@pytest.mark.parametrize(
    ("op", "sentence"),
    [
        (store("a", "h", 0), "backend a exists already: by ann"),
        (store("b", "h", 1), "backend b is not there any more"),
        (account("ann@a.test", "x", 0), "account ann@a.test exists already"),
        (lives("ann@a.test", None, 0), "map entry people ann@a.test exists already"),
        (lives("bob@a.test", "a", 1), "map entry people bob@a.test is not there any more"),
    ],
)
def test_conflicts(node: Writer, op: Op, sentence: str) -> None:
    assert node.submit(entry(store("a", "h"), account("ann@a.test"), lives("ann@a.test", "a"))).done
    assert node.submit(entry(op)).conflict.startswith(sentence)


def test_each_op_is_judged_by_what_was_before_the_entry(node: Writer, config: sqlite3.Connection) -> None:
    assert node.submit(entry(lives("a@a.test", "m1", 0), lives("a@a.test", "m2", 0), lives("b@a.test", "m1", 0))).done
    state = maps.state(config, "people")
    assert state is not None and (state.entries, state.load) == (2, 1)


def test_the_same_entry_again_is_harmless(node: Writer, config: sqlite3.Connection) -> None:
    once, lost = entry(store("a", "h1", 0)), entry(store("a", "h2", 0))
    verdicts = [node.submit(once), node.submit(lost)]
    before = contents(config)
    assert [node.submit(once), node.submit(lost)] == verdicts
    assert [verdict.done for verdict in verdicts] == [True, False]
    assert contents(config) == before


def test_an_entry_resent_after_the_log_forgot_it_is_harmless(node: Writer, config: sqlite3.Connection) -> None:
    once = entry(store("a", "h1"))
    verdict = node.submit(once)
    node.submit(entry(store("a", "h2")))
    LocalLog(config).trim(2)
    assert node.submit(once) == verdict
    assert row(config, store("a", "")) == {"kind": "backend", "name": "a", "body": {"imap": "h2:143"}}
    assert meta.revision(config) == 3


def test_audit_tells_before_and_after(node: Writer, config: sqlite3.Connection) -> None:
    node.submit(entry(account("ann@a.test", "old")))
    node.submit(entry(account("ann@a.test", "new"), account("bob@a.test"), what="passwords", by="eve"))
    found = audit.get(config, 2)
    assert found is not None
    assert (found.by, found.what, found.verdict) == ("eve", "passwords", "done")
    assert [image["row"] and image["row"]["password"] for image in found.before] == ["old", None]
    assert [(image["row"]["password"], image["rev"]) for image in found.after] == [("new", 2), ("$hash", 2)]


@pytest.mark.parametrize(
    "op",
    [
        Op("nothing", {}),
        Op("account", {"addres": "a"}),
        Op("account", {"address": "a"}, {"address": "a", "password": "x", "state": "on", "more": 1}),
    ],
)
def test_what_is_no_row_never_enters_the_log(node: Writer, config: sqlite3.Connection, op: Op) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        node.submit(entry(account("ok"), op))
    assert (LocalLog(config).head(), accounts.count(config)) == (0, 0)


def test_too_many_rows_never_enter_the_log(node: Writer, config: sqlite3.Connection) -> None:
    with pytest.raises(ValueError, match="1000 rows"):
        node.submit(entry(kind="rows", load=1, rows=[("a", "b")] * 1001))
    assert LocalLog(config).head() == 0


@pytest.mark.parametrize(
    "later",
    [
        b'{"id":"z","by":"","origin":"","at":0,"what":"","v":2}',
        encode(entry(Op("later_table", {"a": 1}))),
        encode(entry(Op("account", {"address": "a"}, {"address": "a", "password": "x", "state": "on", "later": 1}))),
        encode(entry(kind="imp", map="people")),
    ],
)
def test_an_entry_of_a_later_release_stops_everything_after_it(config: sqlite3.Connection, later: bytes) -> None:
    entries = [
        (1, "a", encode(entry(account("a")))),
        (2, "b", later),
        (3, "c", encode(entry(account("c")))),
    ]
    for _ in range(2):
        with pytest.raises(UpgradeNeeded, match="entry of the log"):
            Applier(config).apply(entries)
        assert meta.revision(config) == 1, "what came before is applied"
        assert accounts.count(config) == 1


def test_catching_up_applies_what_the_log_has_and_the_database_has_not(config: sqlite3.Connection) -> None:
    log = LocalLog(config)
    for number in range(130):
        made = entry(account(f"{number:03d}"))
        log.append(made.id, encode(made))
    node = Writer(config)
    assert node.catch_up() == 130
    assert node.catch_up() == 0
    assert (accounts.count(config), meta.revision(config)) == (130, 130)


def test_a_log_that_ends_before_what_was_applied_is_another_one(config: sqlite3.Connection) -> None:
    class Emptied(DistantLog):
        def head(self) -> int:
            return 0

    Writer(config).submit(entry(account("a")))
    with pytest.raises(Behind):
        Writer(config, Emptied(config)).catch_up()


def test_a_log_begins_with_the_state_it_names(node: Writer, config: sqlite3.Connection) -> None:
    node.submit(entry(account("a")))
    assert node.submit(entry(kind="base", digest=meta.digest(config))).done
    assert not node.submit(entry(kind="base", digest="another")).done


def test_a_batch_that_fails_leaves_the_batches_before_it(
    node: Writer, config: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_at_100(connection: sqlite3.Connection, record: audit.Record) -> None:
        if record.revision == 100:
            raise sqlite3.OperationalError("disk I/O error")
        add(connection, record)

    add = audit.add
    monkeypatch.setattr(audit, "add", break_at_100)
    entries = [entry(account(f"{number:03d}")) for number in range(130)]
    with pytest.raises(sqlite3.OperationalError):
        node.submit_many(entries)
    assert (accounts.count(config), meta.revision(config), LocalLog(config).head()) == (64, 64, 64)
    monkeypatch.undo()
    assert all(verdict.done for verdict in node.submit_many(entries))
    assert accounts.count(config) == 130
