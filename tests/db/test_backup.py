"""Copies of a live database: of one moment, and loaded back without the file ever being swapped."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from db import maps, meta
from db.backup import backup, load
from db.connect import reader
from db.migrate import TooNew


def filled(connection: sqlite3.Connection, revision: int) -> None:
    """Some contents that tell revisions apart."""
    meta.put(connection, "revision", revision)
    maps.write(connection, revision, [(f"{n}@a.test", "m" * 50) for n in range(3000)], revision)


def test_a_copy_is_one_private_file_and_comes_back(config: sqlite3.Connection, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    filled(config, 1)
    with closing(reader(tmp_path / "config.db")) as ours:
        backup(ours, folder / "copy")
    assert [file.name for file in folder.iterdir()] == ["copy"]
    assert (folder / "copy").stat().st_mode & 0o777 == 0o600
    inode = (tmp_path / "config.db").stat().st_ino
    with closing(reader(tmp_path / "config.db")) as watcher:
        filled(config, 2)
        assert meta.revision(watcher) == 2
        load(folder / "copy", config)
        assert meta.revision(watcher) == 1, "readers that are open see it"
        assert maps.loads(watcher) == {1}
    assert (tmp_path / "config.db").stat().st_ino == inode
    assert config.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    filled(config, 3)


def test_a_copy_can_be_made_while_it_is_written(config: sqlite3.Connection, tmp_path: Path) -> None:
    filled(config, 1)
    config.execute("BEGIN IMMEDIATE")
    filled(config, 2)
    with closing(reader(tmp_path / "config.db")) as ours:
        backup(ours, tmp_path / "copy")
    config.execute("COMMIT")
    with closing(reader(tmp_path / "copy")) as copy:
        assert meta.revision(copy) == 1


def test_no_file_is_written_over(config: sqlite3.Connection, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("mine")
    with pytest.raises(FileExistsError):
        backup(config, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "mine"


def test_what_is_no_copy_of_ours_is_refused(config: sqlite3.Connection, tmp_path: Path) -> None:
    filled(config, 1)
    (tmp_path / "text").write_text("not a database, but long enough to be read as one" * 100)
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE map_state (a)").connection.commit()
    for name in ("text", "other"):
        with pytest.raises(ValueError, match=name):
            load(tmp_path / name, config)
    with pytest.raises(sqlite3.OperationalError):
        load(tmp_path / "none", config)
    assert meta.revision(config) == 1


def test_a_damaged_copy_is_refused(config: sqlite3.Connection, tmp_path: Path) -> None:
    filled(config, 1)
    backup(config, tmp_path / "copy")
    octets = bytearray((tmp_path / "copy").read_bytes())
    octets[len(octets) // 2 : len(octets) // 2 + 8192] = b"\xff" * 8192
    (tmp_path / "copy").write_bytes(octets)
    with pytest.raises(ValueError, match=r"damaged|cannot be read"):
        load(tmp_path / "copy", config)
    assert meta.revision(config) == 1


def test_a_later_releases_copy_is_refused(config: sqlite3.Connection, tmp_path: Path) -> None:
    backup(config, tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy")) as copy:
        copy.execute("INSERT INTO migration VALUES ('9999_later.sql', 0)")
        copy.commit()
    with pytest.raises(TooNew):
        load(tmp_path / "copy", config)
