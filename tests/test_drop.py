"""The drop folder: names, sizes, what is half, old, or a link."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from appliance.drop import KEPT_SECONDS, Drop, Unfit


def put(drop: Drop, name: str, octets: bytes, by: str = "maria") -> None:
    """One whole file."""
    partial = drop.begin(name, by)
    drop.write(partial, 0, octets)
    drop.finish(partial)


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    drop = Drop(tmp_path)
    partial = drop.begin("people.csv", "maria")
    drop.write(partial, 3, b"def")  # pieces may come in any order
    drop.write(partial, 0, b"abc")
    assert drop.uploads() == []
    drop.finish(partial)
    (upload,) = drop.uploads()
    assert (upload.name, upload.by, upload.size) == ("people.csv", "maria", 6)
    with drop.opened("people.csv") as file:
        assert file.read() == b"abcdef"
    assert oct(upload.path.stat().st_mode & 0o007) == "0o0"


def test_the_last_of_a_name_is_the_one_whoever_sent_it(tmp_path: Path) -> None:
    drop = Drop(tmp_path)
    put(drop, "x", b"1")
    put(drop, "x", b"22", by="jonas")
    assert [(one.by, one.size) for one in drop.uploads()] == [("jonas", 2)]
    put(drop, "y", b"333")
    drop.rename("y", "x", "jonas")
    assert [(one.by, one.size) for one in drop.uploads()] == [("jonas", 3)]
    drop.remove("x")
    assert os.listdir(tmp_path) == []


def test_no_more_than_fits_and_no_half_file_stays(tmp_path: Path) -> None:
    drop = Drop(tmp_path, most=10)
    put(drop, "a", b"1234")
    partial = drop.begin("b", "maria")
    drop.write(partial, 0, b"123456")
    for offset, octets in ((6, b"7"), (1 << 60, b"x")):
        with pytest.raises(Unfit, match="at most 10 octets together"):
            drop.write(partial, offset, octets)
    assert partial.broken
    drop.discard(partial)
    assert os.listdir(tmp_path) == ["maria:a"]
    put(drop, "b", b"123456")
    drop.remove("a")
    put(drop, "c", b"1234")


def test_what_is_old_or_was_left_half_goes(tmp_path: Path) -> None:
    drop = Drop(tmp_path)
    put(drop, "old", b"1")
    put(drop, "new", b"1")
    os.utime(tmp_path / "maria:old", (0, time.time() - KEPT_SECONDS - 5))
    os.close(drop.begin("half", "maria").descriptor)
    drop.sweep()
    assert len(os.listdir(tmp_path)) == 2
    drop.sweep(partials=True)
    assert os.listdir(tmp_path) == ["maria:new"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "drop" / "maria:x").symlink_to(tmp_path / "secret")
    drop = Drop(tmp_path / "drop")
    assert drop.uploads() == []
    with pytest.raises(Unfit):
        drop.opened("x")


@given(name=some.text() | some.sampled_from(["..", ".", "a/b", "/etc/passwd", "a\0", "maria:x", ".x", "x" * 101, ""]))
def test_no_name_leads_anywhere_else(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("any") / "drop"
    folder.mkdir()
    drop = Drop(folder)
    try:
        put(drop, name, b"1")
    except Unfit:
        assert os.listdir(folder) == []
    else:
        assert os.listdir(folder) == [f"maria:{name}"] and [one.name for one in drop.uploads()] == [name]
    assert os.listdir(folder.parent) == ["drop"]
