"""The configuration as TOML: round trip, every mistake with its line, all or nothing, nothing secret shown."""

from __future__ import annotations

import tomllib

from tests.cli.conftest import Postern

WHOLE = """
[site]
domains = ["example.test"]
aliases = { "old.example" = "new.example" }

[node.mail1]
imap.listen_tls = ["192.0.2.10:993"]

[[backend]]
name = "mail1"
imap = "mail1.example.test:143"
local = { imap = "127.0.0.1:10143" }
login = "master"
master_user = "proxy"
master_password_file = "master.secret"
standby = "mail2"

[[backend]]
name = "mail2"
imap = "mail2.example.test:143"
tls = "starttls"

[[map]]
name = "people"

[imap]
listen = ["[::]:143"]
map = ["people"]
failover = "mail2"

[smtp]
max_message_size = "20 MiB"

[limits]
attempts = 5
failure_delay = 0.5

[[certificate]]
names = ["*"]
certificate = "home/tls/cert.pem"
key = "home/tls/key.pem"
"""
SECRET = "wonderful-secret"


def applied(postern: Postern, text: str = WHOLE) -> str:
    (postern.home.parent / "master.secret").write_text(SECRET + "\n")
    file = postern.toml(text)
    postern.text("config", "apply", file)
    return file


def test_what_was_exported_applies_without_a_change(postern: Postern) -> None:
    applied(postern)
    exported = postern.text("config", "export")
    file = postern.toml(exported)
    assert postern.text("config", "diff", file, "--exit-code") == f"{file}: no differences\n"
    assert "nothing to do" in postern.text("config", "apply", file)
    assert postern.text("config", "export") == exported
    given, told = tomllib.loads(WHOLE), tomllib.loads(exported)
    given["backend"][0]["master_password_file"] = "<kept>"
    given["certificate"][0] |= {"certificate": "<kept>", "key": "<kept>"}
    assert told == given


def test_nothing_tells_the_secret(postern: Postern) -> None:
    file = applied(postern)
    (postern.home.parent / "master.secret").write_text("another-secret")
    commands = (("config", "diff", file), ("config", "export"), ("backend", "show", "mail1"), ("audit", "show", "1"))
    shown = [postern.text(*words) for words in commands] + [str(postern.json(*words)) for words in commands]
    assert "***" in shown[0]
    assert "***" in shown[3]
    assert not [text for text in shown if "-secret" in text]
    stored = (postern.home / "config.db").read_bytes()
    assert SECRET.encode() not in stored
    assert b"sealed:" in stored


def test_the_same_secret_is_no_difference_and_kept_keeps_it(postern: Postern) -> None:
    file = applied(postern)
    assert "no differences" in postern.text("config", "diff", file)
    kept = postern.toml(WHOLE.replace("master.secret", "<kept>"))
    assert "no differences" in postern.text("config", "diff", kept, "--exit-code")


def test_kept_of_nothing_is_an_error_with_its_line(postern: Postern) -> None:
    text = '[[backend]]\nname = "a"\nimap = "a:143"\n\nmaster_password_file = "<kept>"\n'
    said = postern.text("config", "apply", postern.toml(text), status=1)
    assert "postern.toml:5: backend.a.master_password_file: nothing is kept" in said


def test_differences_and_exit_statuses(postern: Postern) -> None:
    applied(postern)
    changed = postern.toml(WHOLE.replace('tls = "starttls"', 'tls = "implicit"').replace("attempts = 5\n", ""))
    said = postern.text("config", "diff", changed)
    assert "~ backend mail2\n    tls: starttls -> implicit\n" in said
    assert "~ limits\n    attempts: 5 -> (default)\n" in said
    assert postern("config", "diff", changed, "--exit-code").returncode == 1
    value = postern.json("config", "apply", changed, "--dry-run")
    assert [row["name"] for row in value["differences"]] == ["mail2", ""]
    assert value["applied"] is False
    assert postern.json("backend", "show", "mail2")["tls"] == "starttls"
    assert postern.json("config", "apply", changed)["applied"] is True
    assert postern.json("backend", "show", "mail2")["tls"] == "implicit"


def test_what_is_not_in_the_file_goes_and_the_rest_stays(postern: Postern) -> None:
    applied(postern)
    file = postern.toml('[[backend]]\nname = "mail2"\nimap = "mail2.example.test:143"\n')
    said = postern.text("config", "apply", file)
    assert "- backend mail1\n" in said
    assert "~ backend mail2\n    tls: starttls -> (default)\n" in said
    assert [row["name"] for row in postern.json("backend", "list")] == ["mail2"]
    assert postern.json("map", "list") == []
    assert postern.json("cert", "list")[0]["own"] is True


WRONG = """[site]
domains = ["example.test"]
default_domian = "x"

[[backend]]
name = "one"
imap = "nonsense"
standby = "nobody"
master_password_file = "not-there"

[[backend]]
name = "one"

[[backend]]
imap = "two:143"

[imap]
listen = 993
failover = "three"

[tables]
"""


def test_every_mistake_is_named_at_once_and_nothing_is_applied(postern: Postern) -> None:
    before = postern.text("config", "export")
    file = postern.toml(WRONG)
    said = postern.text("config", "apply", file, status=1)
    assert postern.text("config", "check", file, status=1) == said
    lines = [line.removeprefix(f"postern: {file}:").split(": ")[:2] for line in said.splitlines()]
    assert lines == [
        ["3", "site.default_domian"],
        ["7", "backend.one.imap"],
        ["8", "backend.one.standby"],
        ["9", "backend.one.master_password_file"],
        ["11", "backend.one"],
        ["14", "backend.name"],
        ["18", "imap.listen"],
        ["19", "imap.failover"],
        ["21", "tables"],
    ]
    assert "did you mean default_domain?" in said
    assert "the first begins in line 5" in said
    assert postern.text("config", "export") == before
    problems = postern.json("config", "check", file, status=1)["problems"]
    assert problems[0] == {
        "file": file,
        "line": 3,
        "key": "site.default_domian",
        "text": "there is no such key; did you mean default_domain?",
    }


def test_text_that_is_no_toml_has_a_line_too(postern: Postern) -> None:
    for text, line in (("a = 1\n[x\n", 2), ("a = 1\na = 2\n", 2), ("x = [1,\n\n", 1), ("[imap]\nlisten = \"a", 2)):
        assert f"postern.toml:{line}: not TOML: " in postern.text("config", "check", postern.toml(text), status=1)
    path = postern.home.parent / "postern.toml"
    path.write_bytes(b'[site]\nnote = "\xff"\n')
    assert "postern.toml:2: it is not UTF-8" in postern.text("config", "check", str(path), status=1)
    path.write_bytes(b"a = " + b"[" * 100_000)
    assert "postern.toml:1: " in postern.text("config", "check", str(path), status=1)
    assert "No such file" in postern.text("config", "check", str(path) + "-not-there", status=1)
    assert "Is a directory" in postern.text("config", "apply", str(postern.home), status=1)


def test_check_needs_no_node(postern: Postern) -> None:
    nowhere = Postern(postern.home.parent / "nowhere")
    text = WHOLE.replace("home/tls/", str(postern.home / "tls") + "/")
    (postern.home.parent / "master.secret").write_text(SECRET)
    assert "right, 9 objects" in nowhere.text("config", "check", postern.toml(text))
    assert not nowhere.home.exists()


def test_a_certificate_that_no_listener_could_load_is_refused(postern: Postern) -> None:
    other = Postern(postern.home.parent / "other")
    other.text("init", "--node", "other")
    for name, source in (("cert.pem", postern), ("key.pem", other)):
        (postern.home.parent / name).write_bytes((source.home / "tls" / name).read_bytes())
    file = postern.toml('[[certificate]]\nnames = ["*"]\ncertificate = "cert.pem"\nkey = "key.pem"\n')
    said = postern.text("config", "apply", file, status=1)
    assert "postern.toml:3: certificate.*.certificate: the key belongs to another certificate" in said
    (postern.home.parent / "cert.pem").write_bytes((other.home / "tls" / "cert.pem").read_bytes())
    postern.text("config", "apply", file)
    assert postern.text("cert", "check") == "*: ok, 3649 days left\n"


def test_a_map_with_entries_needs_delete_data_and_comes_back(postern: Postern) -> None:
    applied(postern)
    postern.text("map", "put", "people", "maria@example.test", "mail1")
    without = WHOLE.replace('[[map]]\nname = "people"\n', "").replace('map = ["people"]\n', "")
    file = postern.toml(without)
    assert "- map people (1 entry)" in postern.text("config", "diff", file)
    said = postern.text("config", "apply", file, status=1)
    assert "people (1 entry)" in said
    assert "--delete-data" in said
    assert postern.json("map", "list")[0]["entries"] == 1
    postern.text("config", "apply", file, "--delete-data")
    assert postern.json("map", "list") == []
    postern.text("map", "undo", "people")
    assert postern.json("map", "list")[0]["entries"] == 1


def test_a_back_end_that_entries_name_stays(postern: Postern) -> None:
    applied(postern)
    postern.text("map", "put", "people", "maria@example.test", "mail1")
    text = '[[backend]]\nname = "mail2"\nimap = "m:143"\n[[map]]\nname = "people"\n'
    said = postern.text("config", "apply", postern.toml(text), status=1)
    assert "backend.mail1: cannot be removed: map people sends 1 entry there" in said
    assert len(postern.json("backend", "list")) == 2
