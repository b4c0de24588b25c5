"""`postern init`: a home that is whole, left alone when it exists, finished when it was cut short."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Postern


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_modes_keys_and_the_first_certificate(postern: Postern) -> None:
    home = postern.home
    assert mode(home) == "0o750"
    assert mode(home / "run") == "0o750"
    assert mode(home / "staging") == mode(home / "ssh") == "0o700"
    assert mode(home / "secret.key") == "0o640"
    assert mode(home / "ssh" / "ssh_host_ed25519_key") == "0o600"
    assert (home / "ssh" / "ssh_host_ed25519_key").read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    (row,) = postern.json("cert", "list")
    assert row["names"] == ["*"]
    assert row["own"] is True
    assert row["days"] > 3000
    assert postern.text("cert", "check") == "*: ok, 3649 days left\n"


def test_again_says_what_exists_and_changes_nothing(postern: Postern) -> None:
    kept = [postern.home / name for name in ("secret.key", "tls/cert.pem", "ssh/ssh_host_ed25519_key")]
    before = [path.read_bytes() for path in kept]
    rows = postern.json("init", "--node", "mail1")
    assert {row["state"] for row in rows} == {"exists"}
    assert [path.read_bytes() for path in kept] == before
    assert postern.json("audit", "list") == []


def test_a_node_keeps_its_name(postern: Postern) -> None:
    assert "named mail1 already" in postern.text("init", "--node", "other", status=1)


@pytest.mark.parametrize("name", ["a b", "-x", "a/b", "x" * 80])
def test_impossible_names(tmp_path: Path, name: str) -> None:
    assert "cannot be a node's name" in Postern(tmp_path / "home").text("init", "--node", name, status=1)


def test_what_was_cut_short_is_finished(postern: Postern) -> None:
    (postern.home / "tls" / "key.pem").unlink()
    (postern.home / "ssh" / "ssh_host_ed25519_key").write_bytes(b"")
    states = {row["what"]: row["state"] for row in postern.json("init")}
    assert states["host key"] == "created"
    assert (postern.home / "tls" / "key.pem").read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert (postern.home / "ssh" / "ssh_host_ed25519_key").stat().st_size > 100


def test_a_lost_key_is_never_replaced(postern: Postern) -> None:
    (postern.home / "secret.key").unlink()
    for words in (("init",), ("status",)):
        said = postern.text(*words, status=1)
        assert "secret.key" in said and f"`tar -xf BACKUP -C {postern.home} secret.key`" in said
    (postern.home / "secret.key").write_text("nonsense")
    assert "is no key" in postern.text("init", status=1)


def test_a_node_with_a_past_is_not_named_anew(postern: Postern) -> None:
    postern.text("map", "create", "people")
    (postern.home / "node.db").unlink()
    said = postern.text("status", status=1)
    assert "node.db: it is missing" in said and "`postern init --node NAME`" in said
    assert "give its name with --node" in postern.text("init", status=1)
    postern.text("init", "--node", "mail1")
    assert postern.json("status")["node"] == "mail1"


def test_a_damaged_database_says_what_helps_and_that_helps(postern: Postern, tmp_path: Path) -> None:
    postern.text("map", "create", "people")
    postern.text("backup", str(tmp_path / "backup"))
    (postern.home / "config.db").write_bytes(b"nonsense" * 1000)
    said = postern.text("map", "list", status=1)
    assert f"cannot open {postern.home}/config.db" in said and "`postern restore BACKUP`" in said
    for file in postern.home.glob("config.db*"):
        file.unlink()
    postern.text("restore", str(tmp_path / "backup"))
    assert [row["name"] for row in postern.json("map", "list")] == ["people"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = Postern(tmp_path / "file" / "home").text("init", status=1)
    assert said.startswith("postern: cannot write")
    assert said.count("\n") == 1


def test_no_home_no_node(tmp_path: Path) -> None:
    said = Postern(tmp_path / "nothing").text("backend", "list", status=1)
    assert "holds no node" in said
    assert "init" in said
