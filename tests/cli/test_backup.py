"""Backup and restore: everything comes back, on any machine; what is no backup is refused and harms nothing."""

from __future__ import annotations

import io
import stat
import tarfile
from pathlib import Path

from tests.cli.conftest import Postern

CONFIGURATION = """
[[backend]]
name = "one"
imap = "one.test:143"
login = "master"
master_user = "m"
master_password_file = "s"

[[map]]
name = "people"
"""


def filled(postern: Postern) -> str:
    (postern.home.parent / "s").write_text("hunter2")
    postern.text("config", "apply", postern.toml(CONFIGURATION))
    postern.text("map", "put", "people", "maria@example.test", "one")
    postern.text("account", "add", "maria@example.test", stdin="x\n")
    file = str(postern.home.parent / "backup.tar")
    postern.text("backup", file)
    return file


def test_everything_comes_back_somewhere_else(postern: Postern, tmp_path: Path) -> None:
    file = filled(postern)
    assert oct(stat.S_IMODE(Path(file).stat().st_mode)) == "0o600"
    assert not list(Path(file).parent.glob(".backup.tar*"))
    other = Postern(tmp_path / "elsewhere" / "home")
    value = other.json("restore", file)
    assert value["node"] == "mail1"
    for command in ("config export", "account list", "map get people maria@example.test", "audit show 3"):
        assert other.text(*command.split()) == postern.text(*command.split())
    for name in ("secret.key", "ssh/ssh_host_ed25519_key", "tls/key.pem"):
        assert (other.home / name).read_bytes() == (postern.home / name).read_bytes()
    assert "no differences" in other.text("config", "diff", postern.toml(CONFIGURATION))
    assert list((other.home / "staging").iterdir()) == []
    other.text("backend", "add", "two", "imap=two.test:143")  # the log goes on where the backup ended


def test_back_to_what_was(postern: Postern) -> None:
    file = filled(postern)
    before = postern.text("config", "export")
    postern.text("backend", "set", "one", "imap=other.test:143")
    revision = postern.json("restore", file)["revision"]
    assert postern.text("config", "export") == before
    newest, *older = postern.json("audit", "list")
    assert newest["what"].startswith("restore: node mail1 as of ")
    assert int(newest["id"]) == revision > 4  # numbers that workers have seen are not given out again
    assert [row["id"] for row in older] == ["3", "2", "1"]
    postern.text("map", "put", "people", "otto@example.test", "one")
    assert postern.json("map", "list")[0]["entries"] == 2


def test_a_backup_that_cannot_be_written(postern: Postern) -> None:
    assert "cannot write /not/there/b.tar" in postern.text("backup", "/not/there/b.tar", status=1)


def renamed(archive: bytes, names: dict[str, str]) -> bytes:
    """The archive with members of other names; those of an empty name are left out."""
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=made, mode="w") as new:
        for member in old:
            content = old.extractfile(member)
            member.name = names.get(member.name, member.name)
            if member.name:
                new.addfile(member, content)
    return made.getvalue()


def test_what_is_no_backup(postern: Postern, tmp_path: Path) -> None:
    whole = Path(filled(postern)).read_bytes()
    before = postern.text("config", "export")
    foreign = io.BytesIO()
    with tarfile.open(fileobj=foreign, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("something"), io.BytesIO())
    candidates = {
        "text": b"hello\n" * 1000,
        "nothing": b"",
        "cut": whole[: len(whole) // 2],
        "begun": whole[:600],
        "foreign": foreign.getvalue(),
        "later": whole.replace(b"postern backup 1", b"postern backup 9"),
        "escaping": renamed(whole, {"tls/cert.pem": "../cert.pem"}),
        "less": renamed(whole, {"tls/cert.pem": ""}),
        "more": renamed(whole, {"tls/cert.pem": "tls/more.pem"}),
        "damaged": whole.replace(b"CREATE TABLE object", b"CREATE TABEL object"),
    }
    for name, octets in candidates.items():
        (tmp_path / name).write_bytes(octets)
        said = postern.text("restore", str(tmp_path / name), status=1)
        assert said.count("\n") == 1, said
        assert "Traceback" not in said
        assert postern.text("config", "export") == before, name
    assert not (postern.home.parent / "cert.pem").exists()
