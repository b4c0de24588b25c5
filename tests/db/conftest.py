"""Databases for tests: fresh ones, in a folder of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from db.connect import writer
from db.migrate import migrate


@pytest.fixture
def config(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The writer's connection to a new config.db."""
    with closing(writer(tmp_path / "config.db")) as connection:
        migrate(connection, "config")
        yield connection


@pytest.fixture
def node(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The writer's connection to a new node.db."""
    with closing(writer(tmp_path / "node.db")) as connection:
        migrate(connection, "node")
        yield connection
