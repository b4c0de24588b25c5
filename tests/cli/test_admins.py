"""Administrators by commands: a life, keys that are none, roles, the last owner, secrets that are shown once."""

from __future__ import annotations

import asyncssh
import pyotp
import pytest

from tests.cli.conftest import Postern

KEY = asyncssh.generate_private_key("ssh-ed25519", comment="maria@laptop")
PUBLIC = KEY.export_public_key().decode()
FINGERPRINT = KEY.get_fingerprint()


def test_a_life(postern: Postern) -> None:
    assert postern.text("admin", "list") == "no administrator\n"
    added = postern.json("admin", "add", "maria", "--key", "-", "--role", "owner", stdin=PUBLIC)
    assert (added["name"], added["role"]) == ("maria", "owner")
    assert "already" in postern.text("admin", "add", "maria", status=1)
    assert "password olga` lets them in" in postern.text("admin", "add", "olga")
    postern.text("admin", "password", "olga", stdin="correct horse\n")
    secret = postern.json("admin", "totp", "olga")["secret"]
    rows = postern.json("admin", "list")
    assert rows == [
        {"name": "maria", "role": "owner", "keys": [{"fingerprint": FINGERPRINT, "comment": "maria@laptop"}],
         "password": False, "totp": False, "seen": None},
        {"name": "olga", "role": "operator", "keys": [], "password": True, "totp": True, "seen": None},
    ]  # fmt: skip
    assert len(secret) == 32
    postern.text("admin", "totp", "olga", "--off")
    postern.text("admin", "password", "olga", "--none")
    postern.text("admin", "role", "olga", "viewer")
    row = postern.json("admin", "list")[1]
    assert (row["role"], row["password"], row["totp"]) == ("viewer", False, False)
    postern.text("admin", "remove", "olga")
    assert "there is no administrator 'olga' (there is: maria)" in postern.text("admin", "remove", "olga", status=1)


def test_keys_come_and_go(postern: Postern) -> None:
    postern.text("admin", "add", "maria")
    file = postern.home.parent / "maria.pub"
    file.write_text(PUBLIC)
    assert postern.json("admin", "key", "add", "maria", str(file))["fingerprint"] == FINGERPRINT
    assert "has this key already" in postern.text("admin", "key", "add", "maria", str(file), status=1)
    assert FINGERPRINT + " maria@laptop" in postern.text("admin", "list")
    postern.text("admin", "key", "remove", "maria", FINGERPRINT)
    assert "has no key" in postern.text("admin", "key", "remove", "maria", FINGERPRINT, status=1)
    assert "No such file" in postern.text("admin", "key", "add", "maria", str(file) + "x", status=1)


WRONG = {
    "private": (KEY.export_private_key().decode(), "this is a private key"),
    "two": (PUBLIC + PUBLIC, "not one public key"),
    "none": ("", "not one public key"),
    "words": ("ssh-ed25519 AAAA", "no public key in OpenSSH's form"),
    "other octets": ("ssh-rsa " + PUBLIC.split()[1], "no public key"),
    "short": (asyncssh.generate_private_key("ssh-rsa", key_size=1024).export_public_key().decode(), "1024 bits"),
    "dsa": (asyncssh.generate_private_key("ssh-dss").export_public_key().decode(), "DSA keys are broken"),
}


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG)
def test_what_is_no_fit_key_is_told_as_what_it_is(postern: Postern, text: str, told: str) -> None:
    postern.text("admin", "add", "maria")
    refused = postern.text("admin", "key", "add", "maria", "-", stdin=text, status=1)
    assert told in refused and "PRIVATE" not in refused
    assert postern.json("admin", "list")[0]["keys"] == []


def test_a_comment_cannot_disturb_a_terminal(postern: Postern) -> None:
    postern.text("admin", "add", "maria", "--key", "-", stdin=" ".join(PUBLIC.split()[:2]) + " mé\x1b[2J\u202e\n")
    assert postern.json("admin", "list")[0]["keys"][0]["comment"] == "mé[2J"


def test_there_is_always_an_owner(postern: Postern) -> None:
    postern.text("admin", "add", "maria", "--role", "owner")
    added = postern.json("audit", "list")[0]["id"]
    for words in (("remove", "maria"), ("role", "maria", "viewer")):
        assert "maria is the last owner" in postern.text("admin", *words, status=1)
    assert "maria is the last owner" in postern.text("audit", "revert", added, status=1)
    postern.text("admin", "add", "olga")
    postern.text("admin", "role", "olga", "owner")
    postern.text("admin", "remove", "maria")
    removed = postern.json("audit", "list")[0]["id"]
    assert "olga is the last owner" in postern.text("admin", "role", "olga", "operator", status=1)
    postern.text("audit", "revert", removed)
    assert [row["role"] for row in postern.json("admin", "list")] == ["owner", "owner"]


@pytest.mark.parametrize("name", ["Maria", "", "-x", "a b", "a/b", "é", "m" * 33, "a\x1b"])
def test_a_name_is_one_that_ssh_can_say(postern: Postern, name: str) -> None:
    assert "cannot be a log-in name" in postern.text("admin", "add", "--", name, status=1)


def test_a_password_is_no_argument_and_has_a_length(postern: Postern) -> None:
    postern.text("admin", "add", "maria")
    assert postern("admin", "password", "maria", "correct horse").returncode == 2
    assert "at least 8 characters" in postern.text("admin", "password", "maria", stdin="short\n", status=1)
    assert "at most 4096 octets" in postern.text("admin", "password", "maria", stdin="x" * 5000 + "\n", status=1)


def test_a_secret_is_shown_once_as_picture_and_text_and_nowhere_else(postern: Postern) -> None:
    postern.text("admin", "add", "maria")
    postern.text("admin", "password", "maria", stdin="correct horse\n")
    shown = postern.text("admin", "totp", "maria")
    secret = shown.split("secret  ")[1].split("\n")[0]
    read = pyotp.parse_uri(shown.split("uri     ")[1].strip())
    assert isinstance(read, pyotp.TOTP) and (read.secret, read.name, read.issuer) == (secret, "maria@mail1", "Postern")
    assert shown.count("\n") > 15 and "\u2584" in shown
    changes = [row["id"] for row in postern.json("audit", "list")]
    audit = "".join(str(postern.json("audit", "show", one)) + postern.text("audit", "show", one) for one in changes)
    everything = audit + postern.text("config", "export") + str(postern.json("admin", "list"))
    assert "totp:  -> ***" in audit or "totp: \"\" -> ***" in audit
    for word in (secret, "correct horse", "argon2", "sealed:"):
        assert word not in everything
    assert secret.encode() not in b"".join(file.read_bytes() for file in postern.home.glob("*.db*"))
