"""What each table's file reads back: objects, map entries, accounts, bans, history, audit, names."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from db import accounts, admins, audit, bans, console, history, maps, meta, rows, trials
from db.audit import Record
from db.maps import MapState
from db.objects import read_objects

ADDRESSES = ["@a.test", "ann@a.test", "anna@a.test", "bob@a.test", "bob@ä.test"]


def put(connection: sqlite3.Connection, table: str, rev: int, **row: Any) -> None:
    """Write a row as the applier does."""
    assert rows.wrong(table, {name: row[name] for name in rows.TABLES[table].key}, row) == ""
    rows.write(connection, table, row, rev)


def test_objects(config: sqlite3.Connection) -> None:
    put(config, "object", 3, kind="backend", name="b", body={"imap": "ä:143"})
    put(config, "object", 4, kind="backend", name="a", body={})
    put(config, "object", 5, kind="imap", name="", body={"failover": "a"})
    meta.put(config, "config_revision", 5)
    objects = read_objects(config)
    assert objects.revision == 5
    assert objects.names("backend") == ["a", "b"]
    assert objects.body("backend", "b") == {"imap": "ä:143"}
    assert objects.get("imap")["failover"] == "a"
    assert objects.get("imap")["listen_tls"] == ["[::]:993"]
    assert (objects.rev("imap"), objects.rev("pop3"), objects.rev("backend", "b")) == (5, 0, 3)
    assert objects.body("pop3") is None
    assert objects.get("pop3")["listen_tls"] == ["[::]:995"]
    assert list(objects) == [("backend", "a"), ("backend", "b"), ("imap", "")]
    assert objects.bodies()["imap", ""] == {"failover": "a"}


def test_equal_bodies_are_equal_texts(config: sqlite3.Connection) -> None:
    put(config, "object", 1, kind="k", name="a", body={"x": 1, "y": {"d": 1, "c": 2}})
    put(config, "object", 1, kind="k", name="b", body={"y": {"c": 2, "d": 1}, "x": 1})
    assert len({body for (body,) in config.execute("SELECT body FROM object")}) == 1


def test_administrators(config: sqlite3.Connection) -> None:
    key = {"key": "ssh-ed25519 AAAA", "fingerprint": "SHA256:x", "comment": "ä"}
    row = {"name": "maria", "role": "owner", "keys": [key], "password": "$argon2id$x", "totp": "sealed:x"}
    put(config, "admin", 3, **row)
    put(config, "admin", 4, name="anna", role="viewer", keys=[], password="", totp="")
    assert rows.read(config, "admin", {"name": "maria"}) == (row, 3)
    assert [one.name for one in admins.all(config)] == ["anna", "maria"]
    found = admins.get(config, "maria")
    assert found is not None and (found.row(), found.rev) == (row, 3)
    assert "argon2" not in repr(found) and "sealed" not in repr(found)
    assert (admins.role(config, "anna"), admins.role(config, "nobody"), admins.get(config, "nobody")) == (
        "viewer", "", None,
    )  # fmt: skip
    rows.erase(config, "admin", {"name": "maria"}, 5)
    assert admins.get(config, "maria") is None
    assert rows.wrong("admin", {"name": "x"}, {**row, "name": "x", "keys": "[]"}) == "keys of admin is of another type"


def test_an_administrators_secrets_are_masked_and_absent_ones_seen_to_be_absent() -> None:
    image = {"table": "admin", "key": {"name": "m"}, "row": {"name": "m", "password": "$x", "totp": ""}, "rev": 1}
    assert audit.masked(image)["row"] == {"name": "m", "password": audit.KEPT, "totp": ""}


def test_what_a_node_remembers_of_consoles(node: sqlite3.Connection) -> None:
    console.came_in(node, "maria", 5.0)
    console.came_in(node, "maria", 7.0)
    assert console.seen(node) == {"maria": 7.0}
    console.trust(node, "192.0.2.7", 1000.0)
    assert console.is_trusted(node, "192.0.2.7", 1000.0 + console.DAY)
    assert not console.is_trusted(node, "192.0.2.7", 1001.0 + console.DAY)
    console.trust(node, "192.0.2.8", 1001.0 + console.DAY)
    assert node.execute("SELECT count(*) FROM console_trusted").fetchone() == (1,)
    console.use_step(node, "maria", "digest", 9)
    assert (console.last_step(node, "maria", "digest"), console.last_step(node, "maria", "other")) == (9, 0)


def test_one_change_is_on_trial_at_most(node: sqlite3.Connection) -> None:
    assert trials.get(node) is None
    for number in (1, 2):
        trials.put(node, trials.Trial(str(number), 5.0, 60.0, "maria", "here", 3, 0))
    assert trials.get(node) == trials.Trial("2", 5.0, 60.0, "maria", "here", 3, 0)
    trials.forget(node)
    assert trials.get(node) is None


def test_map_entries(config: sqlite3.Connection) -> None:
    assert maps.state(config, "people") is None
    for rev, address in enumerate(ADDRESSES, 10):
        maps.set_entry(config, "people", address, "mail1", rev)
    maps.set_entry(config, "people", "bob@a.test", "mail2", 20)
    assert maps.state(config, "people") == MapState(10, 0, 0.0, 5, 20)
    assert maps.look(config, 10, "bob@a.test") == "mail2"
    assert maps.look(config, 10, "bob@b.test") is None
    assert maps.look(config, 11, "bob@a.test") is None
    assert (maps.entry_rev(config, 10, "bob@a.test"), maps.entry_rev(config, 10, "none")) == (20, 0)
    assert maps.counts(config, 10) == {"mail1": 4, "mail2": 1}
    assert [address for address, _ in maps.rows(config, 10)] == ADDRESSES
    maps.set_entry(config, "people", "bob@a.test", None, 21)
    maps.set_entry(config, "people", "bob@a.test", None, 22)
    assert maps.state(config, "people") == MapState(10, 0, 0.0, 4, 22)


def test_removing_from_a_map_that_is_empty_makes_nothing(config: sqlite3.Connection) -> None:
    maps.set_entry(config, "people", "ann@a.test", None, 5)
    assert maps.state(config, "people") is None


def test_pages_of_a_map(config: sqlite3.Connection) -> None:
    maps.write(config, 1, [(address, "m") for address in ADDRESSES], 1)
    maps.write(config, 2, [("ann@a.test", "other load")], 2)

    def page(**which: Any) -> list[str]:
        return [address for address, _ in maps.page(config, 1, **which)]

    assert page() == ADDRESSES
    assert page(limit=2) == ADDRESSES[:2]
    assert page(limit=2, after=ADDRESSES[1]) == ADDRESSES[2:4]
    assert page(prefix="ann") == ["ann@a.test", "anna@a.test"]
    assert page(prefix="ann", after="ann@a.test") == ["anna@a.test"]
    assert page(prefix="bob@ä") == ["bob@ä.test"]
    assert page(prefix="z") == []


def test_loads_are_found_and_dropped_in_pieces(config: sqlite3.Connection) -> None:
    for load in (3, 7, 9):
        maps.write(config, load, [(f"{n}@a.test", "m") for n in range(25)], load)
    assert maps.loads(config) == {3, 7, 9}
    assert [maps.drop(config, 7, 10) for _ in range(4)] == [10, 10, 5, 0]
    assert maps.loads(config) == {3, 9}
    assert maps.entries(config, 3) == 25


def test_accounts(config: sqlite3.Connection) -> None:
    for rev, address in enumerate(ADDRESSES, 1):
        put(config, "account", rev, address=address, password=f"hash{rev}", state="on")
    assert accounts.get(config, "bob@a.test") == accounts.Account("bob@a.test", "hash4", "on", 4)
    assert accounts.get(config, "none") is None
    assert [account.address for account in accounts.page(config, prefix="ann", limit=1)] == ["ann@a.test"]
    assert accounts.count(config) == 5


def test_bans(config: sqlite3.Connection) -> None:
    put(config, "ban", 1, scope="address", subject="192.0.2.1", until=100.0, reason="guessing")
    put(config, "ban", 2, scope="account", subject="ann@a.test", until=0, reason="gone")
    assert [ban.subject for ban in bans.all(config)] == ["ann@a.test", "192.0.2.1"]
    assert [ban.subject for ban in bans.active(config, 99)] == ["ann@a.test", "192.0.2.1"]
    assert [ban.subject for ban in bans.active(config, 100)] == ["ann@a.test"]
    found = bans.get(config, "address", "192.0.2.1")
    assert found is not None and found.reason == "guessing"
    rows.erase(config, "ban", {"scope": "address", "subject": "192.0.2.1"}, 3)
    assert bans.get(config, "address", "192.0.2.1") is None


def test_rows_of_another_shape_are_refused() -> None:
    key = {"address": "a"}
    for table, wrong_key, row in (
        ("nothing", key, None),
        ("account", {}, None),
        ("account", {"address": 1}, None),
        ("account", key, {"address": "a", "password": "x"}),
        ("account", key, {"address": "b", "password": "x", "state": "on"}),
        ("account", key, {"address": "a", "password": "x", "state": "on", "rev": 1}),
        ("account", key, {"address": "a", "password": None, "state": "on"}),
        ("object", {"kind": "k", "name": "n"}, {"kind": "k", "name": "n", "body": "{}"}),
    ):
        assert rows.wrong(table, wrong_key, row), (table, wrong_key, row)
    assert rows.wrong("account", key, None) == ""


def test_history_is_bounded(node: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT", 5)
    assert list(history.newest_first(node)) == []
    history.add(node, [(2, b"1-2"), (3, b"3-5")])
    history.add(node, [(1, b"6")])
    assert list(history.newest_first(node)) == [b"6", b"3-5", b"1-2"], "of the oldest lot, one log-in is to be kept"
    history.add(node, [(1, b"7")])
    assert list(history.newest_first(node)) == [b"7", b"6", b"3-5"]
    history.add(node, [(100, b"many")])
    assert list(history.newest_first(node)) == [b"many"]


def record(revision: int, kind: str = "ops") -> Record:
    image = {"table": "account", "key": {"address": "a"}, "row": None, "rev": 0}
    return Record(revision, f"id{revision}", float(revision), "ann", "cli", "what", kind, "done", "", [image], [])


def test_audit(config: sqlite3.Connection) -> None:
    for revision in range(1, 8):
        audit.add(config, record(revision, "rows" if revision == 6 else "ops"))
    assert [found.revision for found in audit.page(config, limit=3)] == [7, 5, 4]
    assert [found.revision for found in audit.page(config, before=4)] == [3, 2, 1]
    assert not any(found.before or found.after for found in audit.page(config))
    assert audit.get(config, 6) == record(6, "rows")
    assert audit.by_id(config, "id2") == record(2)
    assert audit.get(config, 99) is audit.by_id(config, "none") is None
    assert audit.latest(config) == 7.0


def test_images_for_people_hide_secrets() -> None:
    account = {"table": "account", "key": {"address": "a"}, "row": {"address": "a", "password": "$hash"}, "rev": 1}
    body = {"tls": "none", "master_password": "sealed:x"}
    backend = {"table": "object", "key": {}, "row": {"kind": "backend", "name": "a", "body": body}, "rev": 1}
    assert audit.masked(account)["row"]["password"] == "<kept>"
    assert audit.masked(backend)["row"]["body"] == {"tls": "none", "master_password": "<kept>"}
    assert account["row"] == {"address": "a", "password": "$hash"}, "the image itself is as it was"
    assert audit.masked({**account, "row": None})["row"] is None


def test_a_node_has_a_name(node: sqlite3.Connection) -> None:
    assert meta.node_name(node) == ""
    meta.name_node(node, "mail1")
    meta.name_node(node, "mail2")
    assert meta.node_name(node) == "mail2"


def test_reading_goes_on_while_rows_are_written(config: sqlite3.Connection, tmp_path: Path) -> None:
    from db.connect import reader

    maps.write(config, 1, [(f"{n:04d}", "m") for n in range(2000)], 1)
    with closing(reader(tmp_path / "config.db")) as ours:
        seen = maps.rows(ours, 1)
        next(seen)
        maps.drop(config, 1, 2000)
        assert sum(1 for _ in seen) == 1999


def test_a_damaged_object_is_told_without_its_content(config: sqlite3.Connection) -> None:
    config.execute("INSERT INTO object VALUES ('site', '', CAST(x'7bff736563726574' AS TEXT), 1)")
    with pytest.raises(sqlite3.DatabaseError) as error:
        read_objects(config)
    assert "secret" not in f"{error.value}{error.value.__cause__}"
