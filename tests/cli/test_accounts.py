"""Accounts: passwords by standard input alone, one form of an address, an import that names every wrong line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.conftest import Postern

BCRYPT = "$2y$10$abcdefghijklmnopqrstuuWYzCLr35GR1NjCh4pZbUKOEPZl5lVGa"
ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$QWxsIHRoZSBiZXN0IGhhc2hlcyBhcmUgMzIgYnl0ZXM"
Write = Callable[[str, str], str]


def test_a_life(postern: Postern) -> None:
    added = postern.json("account", "add", " Maria@EXAMPLE.test ", stdin="s3cret\n")
    assert (added["address"], added["state"]) == ("maria@example.test", "on")
    assert "already" in postern.text("account", "add", "maria@example.test", stdin="x\n", status=1)
    assert postern.json("account", "list") == [{"address": "maria@example.test", "state": "on", "scheme": "argon2id"}]
    assert postern.json("account", "disable", "maria@example.test")["state"] == "off"
    postern.text("account", "password", "maria@example.test", stdin="other\n")
    assert postern.json("account", "list")[0]["state"] == "off"
    postern.text("account", "enable", "maria@example.test")
    postern.text("account", "remove", "maria@example.test")
    assert "there is no account maria@example.test" in postern.text("account", "enable", "maria@example.test", status=1)


def test_no_password_no_account(postern: Postern) -> None:
    assert "no password on standard input" in postern.text("account", "add", "a@example.test", status=1)
    assert postern("account", "add", "a@example.test", "password").returncode == 2
    assert "is no address" in postern.text("account", "add", "a b@c", stdin="x\n", status=1)


def test_the_audit_knows_of_a_password_not_which(postern: Postern) -> None:
    postern.text("account", "add", "a@example.test", stdin="s3cret\n")
    shown = postern.text("audit", "show", "1") + str(postern.json("audit", "show", "1"))
    assert "password: (none) -> ***" in shown
    assert "argon2" not in shown
    assert b"s3cret" not in (postern.home / "config.db").read_bytes()


def test_import(postern: Postern, write: Write) -> None:
    lines = ("address,password-or-hash", "a@example.test,clear,with,commas", f"B@example.test,{BCRYPT}", "",
             f"c@example.test,{ARGON2}", '"d@example.test","quo""ted"')
    text = "\n".join(lines) + "\n"
    file = write("accounts.csv", text)
    assert postern.json("account", "import", file) == {
        "read": 4, "new": 4, "changed": 0, "same": 0, "errors": [], "errors_total": 0,
    }
    schemes = [(row["address"], row["scheme"]) for row in postern.json("account", "list")]
    wanted = zip("abcd", ("argon2id", "2y", "argon2id", "argon2id"), strict=True)
    assert schemes == [(f"{name}@example.test", scheme) for name, scheme in wanted]
    postern.text("account", "disable", "b@example.test")
    assert postern.text("account", "import", file) == "4 read: 0 new, 0 changed, 4 same\n"
    again = postern.json("account", "import", "-", stdin=f"a@example.test,another\nb@example.test,{BCRYPT[:-1]}.\n")
    assert (again["read"], again["changed"]) == (2, 2)
    assert {row["address"]: row["state"] for row in postern.json("account", "list")}["b@example.test"] == "off"


def test_every_wrong_line_is_named_and_blocks_all(postern: Postern, write: Write) -> None:
    lines = [
        "good@example.test,right",
        "no comma",
        "not an address@,x",
        "empty@example.test,",
        "odd@example.test,{NOBODY-KNOWS}abcdef",
        "cut@example.test,$2y$10$abc",
        "good@example.test,other",
        '"open@example.test,x',
    ]
    file = write("accounts.csv", "\n".join(lines) + "\n")
    ran = postern("account", "import", file)
    assert ran.returncode == 1
    assert [line.split(":")[0] for line in ran.stderr.splitlines()] == [*(f"line {n}" for n in range(2, 9)), "postern"]
    assert "7 lines are wrong, nothing was imported; line 2: is not address,password" in ran.stderr
    assert "line 7: good@example.test has another password in line 1" in ran.stderr
    assert "abcdef" not in ran.stderr
    assert postern.json("account", "list") == []
    value = postern.json("account", "import", file, status=1)
    assert value["errors"][0] == {"line": 2, "text": "is not address,password"}


@pytest.mark.parametrize("octets", [b"\xff\xfe,x\n", b"a@b.test,\0x\n", b"a@b.test," + b"x" * 9000 + b"\n"])
def test_octets_that_are_no_lines(postern: Postern, octets: bytes) -> None:
    file = postern.home.parent / "odd.csv"
    file.write_bytes(octets)
    assert "line 1" in postern.text("account", "import", str(file), status=1)
