"""`postern status`, `session`, `log tail`, `route` as commands, and the metrics page, on a controller that runs."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance import messages
from appliance.cli.live import _age, _size
from appliance.control.api.backends import BackendAdd
from appliance.control.api.maps import MapCreate
from appliance.control.api.services import ServiceSet
from appliance.home import Home
from tests.control.running import FakeWorker, Running
from tests.control.test_history import outcome
from tests.services.ports import eventually, free_port

MakeWorker = Callable[[int], FakeWorker]


def postern(home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    """One command."""
    command = [sys.executable, "-m", "appliance.cli", "--home", str(home.path), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_status_as_text_and_as_json(controller: Running) -> None:
    controller.ask(BackendAdd("mail2", {"imap": f"127.0.0.1:{free_port()}"}))
    value = eventually(lambda: _with_state(controller.home, "down"), "the probe found the store down")
    assert {"node", "version", "services", "backends", "queue", "cluster"} <= value.keys()
    assert value["node"] == "mail1" and value["state"] == "running"
    assert value["backends"] == [
        {"name": "mail2", "state": "down", "reason": "imap: connect: Connection refused", "sessions": 0}
    ]
    text = postern(controller.home, "status")
    assert text.returncode == 0
    assert re.search(r"^mail2 +down +0 +imap: connect: Connection refused$", text.stdout, re.M), text.stdout


def _with_state(home: Home, state: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(postern(home, "status", "--json").stdout)
    return value if value["backends"][0]["state"] == state else {}


def test_status_of_a_stopped_node(home: Home) -> None:
    value = json.loads(postern(home, "status", "--json").stdout)
    assert value["state"] == "stopped"
    assert {row["name"]: row["state"] for row in value["services"]}["imap"] == "stopped"


def test_session_list_and_kick_of_a_node_without_workers(controller: Running) -> None:
    assert postern(controller.home, "session", "list").stdout == "no session\n"
    assert json.loads(postern(controller.home, "session", "list", "--json").stdout) == []
    kicked = postern(controller.home, "session", "kick", "--user", "maria@example.test")
    assert (kicked.returncode, kicked.stderr) == (1, "postern: no session matches\n")
    assert postern(controller.home, "session", "kick").returncode == 2


def test_session_list_is_a_table(controller: Running, worker: MakeWorker) -> None:
    one = worker(0)
    command = [sys.executable, "-m", "appliance.cli", "--home", str(controller.home.path), "session", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listing:
        asked = one.hear(messages.ListSessions)
        row = messages.SessionRow("1-1", "maria", "imap", "192.0.2.7", "mail2", time.time() - 3700, 500, 2_000_000, "")
        one.send(messages.Sessions(asked.request, [row]))
        shown = listing.communicate(timeout=20)[0].splitlines()
    assert shown[0].split() == ["ID", "USER", "SERVICE", "FROM", "BACKEND", "SINCE", "IN", "OUT"]
    assert shown[1].split() == ["1-1", "maria", "imap", "192.0.2.7", "mail2", "1h01m", "500", "1.9M"]


def test_log_tail_escapes_what_peers_made_up_and_stops_at_a_closed_pipe(
    controller: Running, worker: MakeWorker
) -> None:
    worker(0).send(messages.Outcomes([outcome("evil\x1b[2J\n", "bad-credentials", source=""), outcome()]))
    time.sleep(0.2)
    shown = postern(controller.home, "log", "tail", "--no-follow")
    assert shown.returncode == 0 and len(shown.stdout.splitlines()) == 2
    assert "\x1b" not in shown.stdout and "evil\\x1b[2J\\n" in shown.stdout
    line = json.loads(postern(controller.home, "log", "tail", "--no-follow", "-n", "1", "--json").stdout)
    assert line["backend"] == "mail2" and line["ms"] == [1.0, 2.0, 3.0, 6.0]
    command = [sys.executable, "-m", "appliance.cli", "--home", str(controller.home.path), "log", "tail"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None and following.stderr is not None
        following.stdout.readline()
        following.stdout.close()
        worker(1).send(messages.Outcomes([outcome() for _ in range(100)]))
        assert following.wait(10) is not None
        assert "Traceback" not in following.stderr.read()


def test_route_explains_and_its_status_tells(controller: Running) -> None:
    home = controller.home
    controller.ask(BackendAdd("mail2", {"imap": f"127.0.0.1:{free_port()}"}))
    controller.ask(MapCreate("people", {}))
    controller.ask(ServiceSet("auth", {"method": "backend"}))
    missing = postern(home, "route", "maria@example.test", "--json")
    assert missing.returncode == 1
    assert json.loads(missing.stdout)["verdict"] == "refuse"
    put = postern(home, "map", "put", "people", "maria@example.test", "mail2")
    assert put.returncode == 0, put.stderr
    value = eventually(lambda: _verdict(home, "temporary"), "the probe found the store down, the route says so")
    assert value["backend"] == "mail2"
    assert [step["name"] for step in value["steps"]] == ["name", "map people", "mailbox", "back-end"]
    assert all({"name", "result", "source", "age", "ms"} <= step.keys() for step in value["steps"])
    assert postern(home, "route", "maria@example.test", "--service", "smtp").returncode == 2
    controller.stop()
    found = postern(home, "route", "maria@example.test")
    assert found.returncode == 0, found.stderr
    assert "maria@example.test: route to mail2 (127.0.0.1 port" in found.stdout


def _verdict(home: Home, verdict: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(postern(home, "route", "maria@example.test", "--json").stdout)
    return value if value["verdict"] == verdict else {}


@pytest.fixture
def metrics(controller: Running) -> str:
    """Where the metrics are."""
    address = f"127.0.0.1:{free_port()}"
    assert controller.ask(ServiceSet("metrics", {"listen": [address]})).note == ""
    return f"http://{address}"


def test_metrics_are_prometheus_text(controller: Running, worker: MakeWorker, metrics: str) -> None:
    one = worker(0)
    timed = {"login_seconds/imap/0.01": 1, "login_seconds/imap/sum": 0.006}
    one.send(messages.Counters({"logins/imap/ok": 3, "sessions/imap/mail2": 2, **timed}))
    one.send(messages.BackendState("mail2", "imap", False, "refused"))
    time.sleep(0.2)
    with urllib.request.urlopen(f"{metrics}/metrics", timeout=5) as page:
        assert page.headers["Content-Type"].startswith("text/plain; version=")
        families = list(text_string_to_metric_families(page.read().decode()))
    values = {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}
    assert values["postern_logins_total", "imap", "ok"] == 3
    assert values["postern_sessions", "imap", "mail2"] == 2
    assert values["postern_backend_up", "imap", "mail2"] == 0
    assert values["postern_login_seconds_count", "imap"] == 1
    assert values["postern_login_seconds_bucket", "0.01", "imap"] == 1
    assert values["postern_workers",] == 1 and values["postern_workers_behind",] == 1
    assert all(family.documentation for family in families)


def test_metrics_move_with_the_configuration_and_say_when_they_cannot(controller: Running, metrics: str) -> None:
    host, port = metrics.removeprefix("http://").split(":")
    with socket.create_server((host, 0)) as taken:
        address = f"{host}:{taken.getsockname()[1]}"
        done = controller.ask(ServiceSet("metrics", {"listen": [address]}))
        assert f"cannot listen on {address} for metrics" in done.note
    with pytest.raises(OSError):
        socket.create_connection((host, int(port)), 1)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"GET /other HTTP/1.1\r\n\r\n", b"HTTP/1.0 404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.0 405"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.0 200"),
        (b"\r\n\r\n", b"HTTP/1.0 404"),
        (b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 100_000, b""),
    ],
)
def test_the_metrics_page_is_bounded(controller: Running, metrics: str, request_: bytes, answer: bytes) -> None:
    host, port = metrics.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 5) as client:
        said = b""
        try:
            client.sendall(request_)
            while part := client.recv(65536):
                said += part
        except OSError:
            pass
    assert said.startswith(answer) and bool(said) == bool(answer)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{metrics}/other", timeout=5)


def test_status_starts_light(controller: Running) -> None:
    """What a command need not load, it does not load: neither the database nor an event loop."""
    program = "import sys; from appliance.cli import main\ntry: main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    command = [sys.executable, "-c", program, "--home", str(controller.home.path), "status"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, env={**os.environ})
    loaded = set(run.stdout.splitlines()[-1].split())
    assert "appliance.control.client" in loaded
    assert not loaded & {"sqlite3", "asyncio", "sqlite_utils", "rich", "appliance.control.node", "cryptography"}


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-1, "0s"), (59, "59s"), (61, "1m01s"), (3700, "1h01m"), (90_000, "1d01h")]
)
def test_ages(seconds: float, shown: str) -> None:
    assert _age(seconds) == shown


@pytest.mark.parametrize(
    ("octets", "shown"), [(0, "0"), (999, "999"), (1024, "1.0K"), (20_000, "20K"), (2_000_000, "1.9M"), (2**40, "1.0T")]
)
def test_sizes(octets: int, shown: str) -> None:
    assert _size(octets) == shown
