"""A node's database and its writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.cluster.writer import Writer
from tests.cluster.databases import database


@pytest.fixture
def config(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The writer's connection to a new config.db."""
    with closing(database(tmp_path / "config.db")) as connection:
        yield connection


@pytest.fixture
def node(config: sqlite3.Connection) -> Writer:
    """The writer of that database."""
    return Writer(config)
