"""What an administrator does while people are logged in: look, kick, change, import."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from tests.node.conftest import NewNode, Stores, backend
from tests.node.test_refusals import verdict
from tests.services.node import Node
from tests.services.people import CROWD, MAP, MARIA, OTTO, WRONG
from tests.services.ports import answers, eventually, free_port
from tests.services.processes import memory
from tests.services.talk import Talk

ROWS = 1_000_000


def session_of(node: Node, who: tuple[str, str]) -> Talk:
    """A logged-in connection."""
    talk = Talk(node.host, node.imap)
    talk.line()
    assert talk.plain(*who)[-1].startswith(b"tag OK")
    return talk


def test_sessions_of_all_workers_are_listed_and_kicked(new_node: NewNode) -> None:
    node = new_node()
    node.start(POSTERN_WORKERS="2")
    talks = [session_of(node, who) for who in CROWD]
    for talk in talks:
        talk.ask(b"NOOP")
    talks[0].send(b"x APPEND INBOX {50000+}\r\n" + b"y" * 50_000 + b"\r\n")
    talks[0].until(b"x")
    rows = eventually(lambda: node.cli("session", "list"), "sessions are listed")
    assert {row["user"] for row in rows} == {who.address for who in CROWD}
    assert {row["service"] for row in rows} == {"imap"} and {row["backend"] for row in rows} == {"beta"}
    one = next(row for row in rows if row["user"] == CROWD[0].address)
    assert one["in"] > 50_000 and one["out"] > 0 and one["from"].startswith("127.0.0.1")
    assert len(node.cli("session", "list", "--user", CROWD[3].address)) == 1
    assert node.cli("session", "list", "--backend", "alpha") == []

    node.cli("session", "kick", one["id"])
    assert talks[0].line().startswith(b"* BYE")
    node.cli("session", "kick", "--user", CROWD[1].address)
    assert talks[1].line().startswith(b"* BYE")
    assert talks[2].ask(b"NOOP")[-1].startswith(b"tag OK")
    eventually(lambda: len(node.cli("session", "list")) == len(CROWD) - 2, "the kicked ones are gone")
    node.cli("session", "kick", "--backend", "beta")
    for talk in talks[2:]:
        assert talk.rest().startswith(b"* BYE")


def test_status_and_route_and_log(new_node: NewNode) -> None:
    node = new_node()
    node.start()
    with session_of(node, MARIA):
        status = eventually(lambda: _status_with_session(node), "the session is counted")
        assert status and status["node"] == "mail1"
        assert {row["name"]: row["state"] for row in status["backends"]} == {"alpha": "up", "beta": "up"}
    route = node.cli("route", MARIA.address, "--service", "imap", "--from", "192.0.2.7")
    assert (route["verdict"], route["backend"], route["port"]) == ("route", "alpha", _port(node, "alpha"))
    assert route["steps"] and all({"name", "result", "source", "age", "ms"} <= step.keys() for step in route["steps"])
    assert node.cli("route", "who@example.test", status=1)["verdict"] == "refuse"
    verdict(node, OTTO.address, WRONG)
    line = eventually(lambda: next((line for line in node.log().split("\n") if OTTO.address in line), ""), "a log line")
    assert "bad-credentials" in line and "127.0.0.1" in line


def _status_with_session(node: Node) -> dict[str, Any] | None:
    status: dict[str, Any] = node.cli("status")
    imap = next(row for row in status["services"] if row["name"] == "imap")
    return status if imap["sessions"] == 1 else None


def _port(node: Node, name: str) -> int:
    found = next(row for row in node.configuration["backend"] if row["name"] == name)
    return int(found["imap"].rpartition(":")[2])


def test_changes_go_live_without_dropping_a_session(new_node: NewNode, stores: Stores) -> None:
    node = new_node()
    node.start()
    with session_of(node, MARIA) as session:
        old, new = node.imap, free_port()
        node.configuration["imap"]["listen"] = [f"{node.host}:{new}"]
        node.apply(site={"domains": ["example.test"], "default_domain": "example.test"})
        node.imap = new
        eventually(lambda: answers(node.host, new), "the new listener is open")
        eventually(lambda: not answers(node.host, old), "the old listener is closed")
        assert verdict(node, "maria", MARIA.password).startswith(b"tag OK"), "default_domain is not in force"
        node.cli("map", "put", "people", MARIA.address, "beta")
        before = stores.beta.log().count(f"Login: user=<{MARIA.address}>")
        assert verdict(node, *MARIA).startswith(b"tag OK")
        line = f"Login: user=<{MARIA.address}>"
        stores.beta.tells(line, before + 1)
        assert session.ask(b"NOOP")[-1].startswith(b"tag OK")


def test_a_wrong_key_changes_nothing(new_node: NewNode) -> None:
    node = new_node()
    node.start()
    before = node.run("config", "export").stdout
    node.configuration["imap"]["listne"] = []
    node.configuration["limits"]["attempts"] = 1
    file = node.folder / "postern.toml"
    file.write_text(tomli_w.dumps(node.configuration))
    run = node.run("config", "apply", str(file))
    line = next(n for n, text in enumerate(file.read_text().split("\n"), 1) if "listne" in text)
    assert run.returncode == 1
    assert "listne" in run.stderr and f"{file}:{line}" in run.stderr
    assert node.run("config", "export").stdout == before


def test_a_million_rows_while_people_log_in(new_node: NewNode, capsys: pytest.CaptureFixture[str]) -> None:
    node = new_node()
    node.start()
    file = node.folder / "million.csv"
    with file.open("w") as out:
        out.write("address,backend\n" + "".join(f"{who},{where}\n" for who, where in MAP.items()))
        out.writelines(f"user{number}@example.test,beta\n" for number in range(ROWS))
    counted: dict[bool, int] = {True: 0, False: 0}
    over = threading.Event()

    def log_in() -> None:
        while not over.is_set():
            counted[verdict(node, *MARIA).startswith(b"tag OK")] += 1

    visitor = threading.Thread(target=log_in)
    visitor.start()
    began, most = time.monotonic(), 0
    importer = threading.Thread(target=lambda: results.append(
        node.cli("map", "import", "people", str(file), "--replace")))
    results: list[dict[str, int]] = []
    importer.start()
    while importer.is_alive():
        most = max(most, memory([node.controller()]))
        time.sleep(0.2)
    took = time.monotonic() - began
    over.set()
    visitor.join()
    with capsys.disabled():
        print(f"\n  {ROWS} rows in {took:.1f} s, controller {most / 1e6:.0f} MB, {counted[True]} log-ins meanwhile")
    assert results and results[0]["new"] == ROWS and results[0]["same"] == len(MAP)
    assert counted[True] > 0 and counted[False] == 0
    assert node.cli("map", "get", "people", "user999999@example.test")["backend"] == "beta"
    node.cli("map", "undo", "people")
    node.cli("map", "get", "people", "user999999@example.test", status=1)
    assert verdict(node, *MARIA).startswith(b"tag OK")


def test_an_error_in_the_file_blocks_it_and_names_the_line(new_node: NewNode) -> None:
    node = new_node()
    node.start()
    file = node.folder / "wrong.csv"
    file.write_text("address,backend\na@example.test,beta\nnot an entry\nb@example.test,beta\n")
    value = node.cli("map", "import", "people", str(file), "--merge", status=1)
    assert [error["line"] for error in value["errors"]] == [3]
    node.cli("map", "get", "people", "a@example.test", status=1)
    assert node.cli("map", "import", "people", str(file), "--merge", "--skip-errors")["new"] == 2
    node.cli("map", "import", "people", str(file), status=2)


def test_backup_and_restore_bring_everything_back(new_node: NewNode, folder: Path, stores: Stores) -> None:
    node = new_node()
    node.start()
    node.cli("backup", str(folder / "backup"))
    assert (folder / "backup").stat().st_mode & 0o777 == 0o600
    node.cli("map", "remove", "people", MARIA.address)
    node.apply(backend=[backend(store, login_name="{local}") for store in stores])
    assert not verdict(node, *MARIA).startswith(b"tag OK")
    assert node.stop() == 0
    node.cli("restore", str(folder / "backup"))
    node.start()
    assert verdict(node, *MARIA).startswith(b"tag OK")
