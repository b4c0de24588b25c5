"""Connections: a reader cannot write, works as a user who may only read, and a transaction is all or nothing."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from db import meta
from db.connect import reader, snapshot, transaction, writer
from db.migrate import migrate

NOBODY = 65534


def test_a_writer_keeps_what_it_acknowledged(config: sqlite3.Connection) -> None:
    assert config.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert config.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_reader_cannot_write(config: sqlite3.Connection, tmp_path: Path) -> None:
    with closing(reader(tmp_path / "config.db")) as ours, pytest.raises(sqlite3.OperationalError, match="readonly"):
        meta.put(ours, "revision", 1)


def test_a_reader_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        reader(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_what_is_written_after_it_was_opened(config: sqlite3.Connection, tmp_path: Path) -> None:
    with closing(reader(tmp_path / "config.db")) as ours:
        meta.put(config, "revision", 7)
        assert meta.revision(ours) == 7


def test_a_snapshot_is_one_moment(config: sqlite3.Connection, tmp_path: Path) -> None:
    with closing(reader(tmp_path / "config.db")) as ours:
        with snapshot(ours):
            assert meta.revision(ours) == 0
            meta.put(config, "revision", 8)
            assert meta.revision(ours) == 0
        assert meta.revision(ours) == 8


def test_a_transaction_is_all_or_nothing(config: sqlite3.Connection) -> None:
    with pytest.raises(KeyError), transaction(config):
        meta.put(config, "revision", 1)
        with transaction(config):
            meta.put(config, "digest", "inner")
        raise KeyError
    assert (meta.revision(config), meta.digest(config)) == (0, "")
    with transaction(config):
        meta.put(config, "revision", 2)
    assert meta.revision(config) == 2


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder and what is in it may be read by everyone, and written by nobody but root."""
    places = [folder, *folder.iterdir()]
    modes = {place: stat.S_IMODE(place.stat().st_mode) for place in places}
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    try:
        yield
    finally:
        for place, mode in modes.items():
            place.chmod(mode)


def as_someone_else(folder: Path, what: Callable[[Path], bool]) -> bool:
    """Whether `what` is true in a child process without any right to write there (root becomes nobody)."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            status = 0 if what(folder) else 1
        except BaseException:  # the child of a fork must end here, whatever happens
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_user_who_may_only_read_can_read() -> None:
    with tempfile.TemporaryDirectory() as name, closing(writer(Path(name) / "config.db")) as keeper:
        folder = Path(name)  # not tmp_path: nobody may not pass the folders above that
        migrate(keeper, "config")
        meta.put(keeper, "revision", 42)  # in the WAL, which lives as long as this connection

        def reads(place: Path) -> bool:
            with (
                closing(reader(place / "config.db")) as ours,
                pytest.raises(sqlite3.OperationalError, match="readonly"),
            ):
                assert meta.revision(ours) == 42
                meta.put(ours, "revision", 43)
            return True

        with read_only(folder):
            assert as_someone_else(folder, reads)
