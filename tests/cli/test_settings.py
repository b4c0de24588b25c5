"""Services and back-ends by KEY=VALUE: what is stored, what is refused and in which words, who refers to whom."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.cli.conftest import Postern

SERVICES = ["imap", "pop3", "sieve", "smtp", "submission", "webmail", "console"]


def test_services_have_their_defaults_until_they_are_set(postern: Postern) -> None:
    rows = {row["name"]: row for row in postern.json("service", "list")}
    assert list(rows) == SERVICES
    assert rows["imap"]["listen_tls"] == ["[::]:993"]
    postern.text("service", "set", "imap", "listen=127.0.0.1:1143,[::1]:1143", "clear_login_from=127.0.0.0/8")
    shown = postern.json("service", "show", "imap")
    assert shown["listen"] == ["127.0.0.1:1143", "[::1]:1143"]
    assert {row["name"]: row["set"] for row in shown["settings"]}["listen"] is True
    postern.text("service", "disable", "imap")
    assert postern.json("service", "show", "imap")["enabled"] is False
    postern.text("service", "enable", "imap")
    postern.text("service", "set", "imap", "--default", "listen", "--default", "clear_login_from")
    assert postern.json("service", "show", "imap")["listen"] == []


def test_a_node_s_own_addresses_show_in_the_list(postern: Postern) -> None:
    postern.text("config", "apply", postern.toml('[node.mail1]\nimap.listen_tls = ["127.0.0.1:9993"]\n'))
    assert postern.json("service", "list")[0]["listen_tls"] == ["127.0.0.1:9993"]


def test_limits_say_value_unit_default_and_help(postern: Postern) -> None:
    postern.text("service", "set", "limits", "preauth_seconds=45")
    said = postern.text("service", "show", "limits")
    assert "preauth_seconds        45 *   seconds  60\n    How long a client may take" in said
    row = next(row for row in postern.json("service", "show", "limits")["settings"] if row["name"] == "preauth_seconds")
    assert (row["value"], row["default"], row["unit"]) == (45, 60, "seconds")
    assert (row["minimum"], row["maximum"], row["scope"], row["live"]) == (0.1, 604_800, "node", True)


def test_settings_say_what_a_form_needs(postern: Postern) -> None:
    postern.text("backend", "add", "alpha", "imap=mail.example.test:143", "login=master", "master_user=m",
                 f"master_password_file={postern.toml('secret')}")
    imap = {row["name"]: row for row in postern.json("service", "show", "imap")["settings"]}
    assert imap["failover"]["choices"] == ["alpha"]  # what there is
    alpha = {row["name"]: row for row in postern.json("backend", "show", "alpha")["settings"]}
    assert alpha["login"]["choices"] == ["replay", "master"]
    assert (alpha["master_password_file"]["secret"], alpha["master_password_file"]["value"]) == (True, "<kept>")
    assert alpha["login_name"]["choices"] == []  # names for its braces are no values


def test_stores_on_this_machine_are_looked_for(postern: Postern) -> None:
    found = postern.json("backend", "find")
    assert all(row["address"].startswith("127.0.0.1:") for row in found)


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("service", "set", "imap", "listen=nonsense"), 1, "listen must be"),
        (("service", "set", "imap", "lisssten=[::]:1"), 1, "did you mean 'listen'"),
        (("service", "set", "imap", "failover=nobody"), 1, "imap.failover: failover names the backend 'nobody'"),
        (("service", "set", "imap", "listen"), 2, "'listen' is not KEY=VALUE"),
        (("service", "set", "imap"), 2, "nothing to set"),
        (("service", "set", "nope", "a=b"), 1, "there is no service 'nope'"),
        (("service", "show", "nope"), 1, "there is no service 'nope'"),
        (("backend", "show", "nope"), 1, "there is no back-end 'nope' (there is: none)"),
        (("backend", "add", "a b", "imap=x:1"), 1, "is not a name"),
        (("backend", "add", "a", "imap=x"), 1, "imap must be HOST:PORT"),
        (("backend", "add", "a", "tls_ca=/not/there"), 1, "cannot read /not/there"),
        (("backend", "add", "a", "login=master"), 1, "needs master_user"),
        (("backend", "drain", "a"), 1, "there is no back-end 'a'"),
        (("backend", "frobnicate", "a"), 2, "No such command"),
        (("frobnicate",), 2, "No such command"),
    ],
)
def test_refusals(postern: Postern, words: tuple[str, ...], status: int, text: str) -> None:
    before = len(postern.json("audit", "list"))
    assert text in postern.text(*words, status=status)
    assert len(postern.json("audit", "list")) == before


def test_back_ends_live(postern: Postern) -> None:
    postern.text("backend", "add", "one", "imap=one.test:143", "tls=starttls")
    assert "already" in postern.text("backend", "add", "one", "imap=one.test:143", status=1)
    postern.text("backend", "set", "one", "imap=one.test:144")
    postern.text("backend", "drain", "one")
    (row,) = postern.json("backend", "list")
    assert (row["name"], row["imap"], row["tls"], row["state"]) == ("one", "one.test:144", "starttls", "drain")
    postern.text("backend", "enable", "one")
    assert postern.json("backend", "list")[0]["state"] == "on"
    postern.text("backend", "remove", "one")
    assert postern.text("backend", "list") == "no back-end\n"


def test_a_back_end_in_use_stays_and_the_users_are_named(postern: Postern) -> None:
    text = """
    [[backend]]
    name = "one"
    imap = "one.test:143"
    [[backend]]
    name = "two"
    imap = "two.test:143"
    standby = "one"
    [[map]]
    name = "people"
    [imap]
    failover = "one"
    """
    postern.text("config", "apply", postern.toml(text))
    postern.text("map", "put", "people", "maria@example.test", "one")
    users = ["standby of backend two", "failover of imap", "map people sends 1 entry there"]
    assert sorted(postern.json("backend", "show", "one")["used_by"]) == sorted(users)
    said = postern.text("backend", "remove", "one", status=1)
    assert all(user in said for user in users)


def test_a_secret_comes_from_a_file_and_is_never_shown(postern: Postern, write: Callable[[str, str], str]) -> None:
    secret = write("secret", "hunter2\n")
    login = ("login=master", "master_user=m", f"master_password_file={secret}")
    postern.text("backend", "add", "one", "imap=one.test:143", *login)
    shown = postern.text("backend", "show", "one") + str(postern.json("backend", "show", "one"))
    shown += postern.text("audit", "show", "1")
    assert "hunter2" not in shown
    assert "sealed:" not in shown
    assert "<kept>" in shown
    postern.text("backend", "set", "one", "imap=one.test:144")  # the secret is not sealed a second time
    exported = postern.text("config", "export").replace('_file = "<kept>"', f'_file = "{secret}"')
    assert "no differences" in postern.text("config", "diff", postern.toml(exported))


@pytest.fixture
def store() -> Iterator[int]:
    """Something that greets like an IMAP store; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        try:
            while True:
                client, _ = server.accept()
                with client, client.makefile("rwb") as lines:
                    lines.write(b"* OK ready\r\n")
                    lines.flush()
                    tag = lines.readline().split(b" ")[0]
                    lines.write(b"* CAPABILITY IMAP4rev1\r\n" + tag + b" OK done\r\n")
                    lines.flush()
                    lines.readline()
        except OSError:
            return  # closed: the test is over

    thread = threading.Thread(target=greet, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


def test_check_probes_step_by_step(postern: Postern, store: int) -> None:
    postern.text("backend", "add", "up", f"imap=127.0.0.1:{store}")
    (row,) = postern.json("backend", "check", "up")
    assert (row["backend"], row["service"], row["ok"]) == ("up", "imap", True)
    assert [step["name"] for step in row["steps"]] == ["connect", "greeting", "capability"]
    postern.text("backend", "add", "down", "imap=127.0.0.1:1")
    ran = postern("backend", "check")
    assert ran.returncode == 1
    assert "up imap: ok" in ran.stdout
    assert "down imap: failed" in ran.stdout
    assert ran.stderr == "postern: not right: down imap (connect: Connection refused)\n"
    assert [row["ok"] for row in postern.json("backend", "check", status=1)] == [False, True]


def test_a_service_that_this_release_cannot_serve_says_so(postern: Postern) -> None:
    rows = {row["name"]: row for row in postern.json("service", "list")}
    assert rows["imap"]["state"] == "stopped"
    assert rows["smtp"]["state"] == "unavailable" and "not served by this release" in rows["smtp"]["reason"]
    assert "not served by this release" in postern.text("status")
    said = postern("service", "enable", "smtp")
    assert said.returncode == 0 and "smtp" in said.stdout and "not served by this release" in said.stderr
    assert postern("service", "disable", "smtp").stderr == ""
