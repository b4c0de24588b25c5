"""Migrations: each once, each with its record or not at all, never on a later release's database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import db.migrate
from db.connect import writer
from db.migrate import TooNew, migrate, pending


def test_each_file_is_applied_once(tmp_path: Path) -> None:
    with closing(writer(tmp_path / "config.db")) as connection:
        first = migrate(connection, "config")
        assert first[0] == "0001_config.sql"
        assert first == sorted(first)
        assert migrate(connection, "config") == []
        assert pending(connection, "config") == []


def test_a_later_releases_database_is_refused(config: sqlite3.Connection) -> None:
    config.execute("INSERT INTO migration VALUES ('9999_later.sql', 0)")
    with pytest.raises(TooNew, match="9999_later"):
        migrate(config, "config")


def test_a_file_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "0001_good.sql").write_text("CREATE TABLE good (a);")
    (folder / "0002_bad.sql").write_text("CREATE TABLE half (a); CREATE TABLE good (a);")
    monkeypatch.setattr(db.migrate, "_FILES", tmp_path)
    with closing(writer(tmp_path / "config.db")) as connection:
        with pytest.raises(sqlite3.OperationalError, match="good already exists"):
            migrate(connection, "config")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == {"migration", "good"}
        assert not connection.in_transaction
        (folder / "0002_bad.sql").write_text("CREATE TABLE whole (a);")
        assert migrate(connection, "config") == ["0002_bad.sql"]
