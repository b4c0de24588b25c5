"""Bans, certificates, and the audit of both."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from appliance.cli.ban import seconds_of
from appliance.drop import Drop
from appliance.home import Home
from tests.cli.conftest import Postern


def test_bans_of_addresses_networks_and_accounts(postern: Postern) -> None:
    until = postern.json("ban", "add", "192.0.2.7", "--for", "1h", "--reason", "guessing")["until"]
    assert 3500 < (datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds() <= 3600
    postern.text("ban", "add", "2001:DB8::1/64")
    postern.text("ban", "add", "::ffff:198.51.100.1")
    postern.text("ban", "add", "Maria@Example.test")
    rows = {(row["scope"], row["subject"]): row for row in postern.json("ban", "list")}
    assert set(rows) == {
        ("address", "192.0.2.7"), ("address", "2001:db8::/64"), ("address", "198.51.100.1"),
        ("account", "maria@example.test"),
    }
    assert rows["address", "192.0.2.7"]["reason"] == "guessing"
    assert rows["account", "maria@example.test"]["until"] == ""
    postern.text("ban", "lift", "2001:db8::/64")
    assert len(postern.json("ban", "list")) == 3
    assert "no ban of 203.0.113.1" in postern.text("ban", "lift", "203.0.113.1", status=1)
    assert "whole internet" in postern.text("ban", "add", "0.0.0.0/0", status=1)
    assert "no network" in postern.text("ban", "add", "1.2.3.4/99", status=1)
    assert "not a time" in postern.text("ban", "add", "192.0.2.7", "--for", "soon", status=2)
    assert "10 years at most" in postern.text("ban", "add", "192.0.2.7", "--for", "999999999w", status=1)
    assert len(postern.json("ban", "list")) == 3


def test_times() -> None:
    assert [seconds_of(text) for text in ("", "90", "30m", "1h30m", "7d")] == [0, 90, 1800, 5400, 604800]


def issued(folder: Path, authority: trustme.CA, *names: str) -> tuple[str, str]:
    pair = authority.issue_cert(*names)
    chain = b"".join(blob.bytes() for blob in pair.cert_chain_pems)
    (folder / "cert.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(pair.private_key_pem.bytes())
    return str(folder / "cert.pem"), str(folder / "key.pem")


def test_a_certificate_that_was_sent_by_scp(postern: Postern, tmp_path: Path) -> None:
    drop, sent = Drop(Home(postern.home).drop), issued(tmp_path, trustme.CA(), "mail.example.test")
    for name, path in zip(("cert.pem", "key.pem"), sent, strict=True):
        upload = drop.begin(name, "maria")
        drop.write(upload, 0, Path(path).read_bytes())
        drop.finish(upload)
    files = ("--certificate", "upload:cert.pem", "--key", "upload:key.pem")
    assert "there is no upload" in postern.text(
        "cert", "add", "mail.example.test", "--certificate", "upload:cert.pem", "--key", "upload:../key", status=1
    )
    assert "it is not for other.test" in postern.text("cert", "add", "other.test", *files, status=1)
    assert len(drop.uploads()) == 2
    postern.text("cert", "add", "mail.example.test", *files)
    assert ["mail.example.test"] in [row["names"] for row in postern.json("cert", "list")]
    assert drop.uploads() == []  # a key in use lies about nowhere


def test_certificates(postern: Postern, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, key = issued(tmp_path, authority, "mail.example.test", "*.wild.test")
    files = ("--certificate", certificate, "--key", key)
    postern.text("cert", "add", "mail.example.test", "a.wild.test", *files)
    rows = {tuple(row["names"]): row for row in postern.json("cert", "list")}
    assert set(rows) == {("*",), ("mail.example.test", "a.wild.test")}
    assert all(row["ok"] for row in postern.json("cert", "check"))
    assert "it is not for other.test" in postern.text("cert", "add", "other.test", *files, status=1)
    postern.text("cert", "add", "a.wild.test", *files)  # the name goes over, the other one stays
    served = {tuple(row["names"]) for row in postern.json("cert", "list")}
    assert served == {("*",), ("mail.example.test",), ("a.wild.test",)}
    postern.text("cert", "remove", "mail.example.test")
    said = postern.text("cert", "remove", "mail.example.test", status=1)
    assert "there is no certificate for 'mail.example.test' (there is: a.wild.test)" in said
    (postern.home / "tls" / "cert.pem").unlink()
    assert "no certificate is the default one" in postern.text("cert", "check", status=1)
    said = postern.text("cert", "add", "x", "--certificate", "/not/there", "--key", key, status=1)
    assert said == "postern: cannot read /not/there: No such file or directory\n"


def test_certificates_that_do_not_serve(postern: Postern, tmp_path: Path) -> None:
    certificate, key = issued(tmp_path, trustme.CA(), "a.test")
    text = Path(certificate).read_text()
    other = tmp_path / "other"
    other.mkdir()
    _, other_key = issued(other, trustme.CA(), "a.test")
    said = postern.text("cert", "add", "a.test", "--certificate", certificate, "--key", other_key, status=1)
    assert "the key belongs to another certificate" in said
    for content, sentence in ((text.replace("MII", "###"), "no certificate in PEM"), ("", "no certificate in PEM")):
        Path(certificate).write_text(content)
        said = postern.text("cert", "add", "a.test", "--certificate", certificate, "--key", key, status=1)
        assert sentence in said
    swapped = issued(tmp_path, trustme.CA(), "a.test")
    pems = Path(swapped[0]).read_text() + Path(other, "cert.pem").read_text()
    Path(swapped[0]).write_text(pems)
    said = postern.text("cert", "add", "a.test", "--certificate", swapped[0], "--key", swapped[1], status=1)
    assert "not signed by the next one" in said


def test_an_expired_certificate_is_told(postern: Postern, tmp_path: Path) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    pair = trustme.CA().issue_cert("a.test", not_after=past)
    (tmp_path / "c.pem").write_bytes(pair.cert_chain_pems[0].bytes())
    (tmp_path / "k.pem").write_bytes(pair.private_key_pem.bytes())
    files = ("--certificate", str(tmp_path / "c.pem"), "--key", str(tmp_path / "k.pem"))
    assert "it expired on 2020-01-01" in postern.text("cert", "add", "a.test", *files, status=1)
    text = '[[certificate]]\nnames = ["*"]\ncertificate = "c.pem"\nkey = "k.pem"\n'
    postern.text("config", "apply", postern.toml(text))  # a node must stay configurable
    assert postern.json("cert", "check", status=1)[0]["ok"] is False


def test_audit_says_who_and_what_and_takes_back(postern: Postern) -> None:
    postern.text("backend", "add", "one", "imap=one.test:143")
    postern.text("backend", "set", "one", "imap=one.test:144")
    newest = postern.json("audit", "list")[0]
    assert (newest["what"], newest["verdict"]) == ("backend set one imap", "done")
    assert newest["by"]
    assert "    imap: one.test:143 -> one.test:144\n" in postern.text("audit", "show", newest["id"])
    assert postern.json("audit", "show", newest["entry"])["id"] == newest["id"]
    postern.text("audit", "revert", newest["id"])
    assert postern.json("backend", "show", "one")["imap"] == "one.test:143"
    said = postern.text("audit", "revert", newest["id"], status=1)  # its row was changed since
    assert said.startswith("postern: not done: ")
    assert "no change '999'" in postern.text("audit", "show", "999", status=1)
    assert len(postern.json("audit", "list", "--limit", "2")) == 2
    assert [row["id"] for row in postern.json("audit", "list", "--before", "2", "--limit", "1")] == ["1"]
    for words in (("--limit", "-1"), ("--before", "9" * 30)):
        assert postern("audit", "list", *words).returncode == 2


def test_nothing_is_taken_back_that_others_rest_on_by_now(postern: Postern, tmp_path: Path) -> None:
    postern.text("backend", "add", "one", "imap=one.test:143")
    added = postern.json("backend", "add", "two", "imap=two.test:143")["revision"]
    postern.text("map", "create", "people")
    postern.text("service", "set", "imap", "failover=two")
    assert "'two', which does not exist" in postern.text("audit", "revert", str(added), status=1)
    postern.text("service", "set", "imap", "--default", "failover")
    postern.text("map", "put", "people", "maria@example.test", "two")
    said = postern.text("audit", "revert", str(added), status=1)
    assert "two: cannot be removed: map people sends 1 entry there" in said
    (tmp_path / "new.csv").write_text("maria@example.test,one\n")
    postern.text("map", "import", "people", str(tmp_path / "new.csv"), "--replace")
    imported = postern.json("audit", "list", "--limit", "1")[0]["id"]
    postern.text("backend", "remove", "two")
    for words in (("map", "undo", "people"), ("audit", "revert", imported)):
        said = postern.text(*words, status=1)
        assert said == "postern: map.people: 1 entry would be on back-end two, which is not defined any more\n"
    postern.text("backend", "add", "two", "imap=two.test:143")
    postern.text("map", "undo", "people")
    assert postern.json("map", "get", "people", "maria@example.test")["backend"] == "two"


@pytest.mark.parametrize("noun", ["ban", "cert", "audit"])
def test_a_noun_alone_shows_its_verbs(postern: Postern, noun: str) -> None:
    assert "list" in postern(noun, "--help").stdout
