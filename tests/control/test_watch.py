"""Watching a controller: what changed, at once and once; nothing where nothing did; and what it costs."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from appliance import messages
from appliance.control.api import Refused
from appliance.control.api.backends import BackendAdd
from appliance.control.api.maps import MapCreate, MapPut
from appliance.control.api.services import ServiceSet
from appliance.control.api.trial import Keep, Try
from appliance.control.api.watch import Overview, Watch
from appliance.control.client import Client
from appliance.control.headcount import Headcount
from appliance.control.lookout import Lookout
from appliance.control.node import Node
from appliance.control.overview import Stores
from appliance.control.sight import Sight
from appliance.home import Home
from db import connect
from tests.control.running import FakeWorker, Running
from tests.services.ports import eventually, free_port
from tests.services.scripted import Scripted

MakeWorker = Callable[[int], FakeWorker]


class Watcher:
    """Keeps what it is told."""

    def __init__(self, home: Home, *topics: str) -> None:
        self.events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.now: dict[str, Any] = {}
        self._client = Client.connect(home)
        self._stream = self._client.stream(Watch(topics) if topics else Watch())
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(Refused, OSError, ValueError):
            for event in self._stream:
                self.now[event.value["topic"]] = event.value["value"]
                self.events.put((event.value["topic"], event.value["value"]))

    def hears(self, what: Callable[[dict[str, Any]], Any], why: str) -> None:
        """Waits until it is so."""
        eventually(lambda: self.now and what(self.now), why)

    def told_within(self, seconds: float) -> tuple[str, Any] | None:
        """The first that is told, of now on; None if that is nothing."""
        while not self.events.empty():
            self.events.get()
        try:
            return self.events.get(timeout=seconds)
        except queue.Empty:
            return None

    def close(self) -> None:
        self._client.close()
        self._thread.join(10)


@pytest.fixture
def watcher(controller: Running) -> Iterator[Watcher]:
    """Who watches everything."""
    one = Watcher(controller.home)
    yield one
    one.close()


def service(now: dict[str, Any], name: str = "imap") -> dict[str, Any]:
    """Of the overview."""
    found: dict[str, Any] = next(row for row in now["overview"]["services"] if row["name"] == name)
    return found


def test_log_ins_and_sessions_are_told(controller: Running, worker: MakeWorker, watcher: Watcher) -> None:
    one = worker(0)
    one.send(messages.Counters({"logins/imap/ok": 1000}))
    watcher.hears(lambda now: now.keys() == {"overview", "sessions", "revision", "alerts"}, "every topic is told first")
    watcher.hears(lambda now: service(now)["state"] == "on", "a worker came")
    before = watcher.now["sessions"]
    timed = {"login_seconds/imap/0.1": 2}
    one.send(messages.Counters({"logins/imap/ok": 1002, "logins/imap/banned": 1, "sessions/imap/mail2": 2, **timed}))
    watcher.hears(lambda now: service(now)["log_ins"] == 2, "log-ins are counted from the first that was heard of")
    shown = service(watcher.now)
    assert (shown["sessions"], shown["failed"], shown["per_minute"][-1]) == (2, 1, 2)
    assert 50 <= shown["slowest_ms"] <= 100
    assert watcher.now["sessions"] != before


def test_nothing_is_told_where_nothing_changes(controller: Running, worker: MakeWorker, watcher: Watcher) -> None:
    with Scripted(lambda peer: peer.sendall(b"* OK ready\r\n")) as store:
        controller.ask(ServiceSet("limits", {"probe_seconds": 1}))
        controller.ask(BackendAdd("mail2", {"imap": f"127.0.0.1:{store.port}"}))
        one = worker(0)
        one.send(messages.Applied(99))
        watcher.hears(lambda now: [row["state"] for row in now["overview"]["backends"]] == ["up"], "the store answers")
        time.sleep(2)
        before = watcher.now["overview"]
        told = watcher.told_within(4)
        if told is not None and told[0] == "overview":  # a busy machine is no quiet node: its stores answer later
            row = {**told[1]["backends"][0], "answers_ms": before["backends"][0]["answers_ms"]}
            told = None if {**told[1], "backends": [row]} == before else told
        assert told is None


def test_a_change_is_in_the_next_overview_and_told_to_who_watches(controller: Running, watcher: Watcher) -> None:
    watcher.hears(lambda now: "revision" in now, "the first topics")
    controller.ask(MapCreate("people", {}))
    done = controller.ask(Overview()).value
    revision = done["overview"]["revision"]
    assert [alert["subject"] for alert in done["alerts"]] == ["people"]
    watcher.hears(lambda now: now["revision"] == {"revision": revision, "trial": None}, "the revision is told")
    watcher.hears(lambda now: [alert["id"] for alert in now["alerts"]] == ["map people"], "the map is empty")
    controller.ask(BackendAdd("mail2", {"imap": f"127.0.0.1:{free_port()}"}))
    controller.ask(MapPut("people", "maria@example.test", "mail2"))
    watcher.hears(lambda now: now["overview"]["backends"] and now["overview"]["backends"][0]["users"] == 1, "users")
    watcher.hears(lambda now: [alert["subject"] for alert in now["alerts"]] == ["mail2"], "the store is down")
    assert watcher.now["alerts"][0]["text"].startswith("mail2 is down: log-ins of 1 person fail (imap: connect:")
    assert time.time() - 30 < watcher.now["alerts"][0]["since"] <= time.time()


def test_a_change_on_trial_waits_for_somebody(controller: Running, watcher: Watcher) -> None:
    change = {"do": "service set", "name": "limits", "values": {"probe_seconds": 5}}
    trial = controller.ask(Try(change, 30)).value
    watcher.hears(lambda now: now["revision"]["trial"], "a change is on trial")
    shown = watcher.now["revision"]["trial"]
    assert (shown["id"], shown["until"], shown["since"]) == (trial["id"], trial["until"], trial["until"] - 30)
    watcher.hears(lambda now: [alert["id"] for alert in now["alerts"]] == ["trial"], "somebody must keep it")
    assert "service set limits" in watcher.now["alerts"][0]["text"]
    controller.ask(Keep(trial["id"]))
    watcher.hears(lambda now: now["revision"]["trial"] is None and not now["alerts"], "it stays")


def test_figures_that_cannot_be_served_are_told(controller: Running, watcher: Watcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        controller.ask(ServiceSet("metrics", {"listen": [address]}))
        watcher.hears(lambda now: now["alerts"] and now["alerts"][0]["screen"] == "metrics", "the port is taken")
        assert watcher.now["alerts"][0]["text"].startswith(f"cannot listen on {address} for metrics: ")
    controller.ask(ServiceSet("metrics", {"listen": []}))
    watcher.hears(lambda now: not now["alerts"], "it is not wanted any more")


def test_only_the_topics_that_are_wanted(controller: Running) -> None:
    with Client.connect(controller.home) as client:
        assert next(client.stream(Watch(("revision",)))).value["topic"] == "revision"
    with pytest.raises(Refused, match="no topic 'weather'"):
        controller.ask(Watch(("weather",)))


def test_a_stopped_node_is_seen_once(home: Home) -> None:
    with Client.connect(home) as client:
        topics = {event.value["topic"]: event.value["value"] for event in client.stream(Watch())}
    assert topics["overview"]["state"] == "stopped"
    assert [alert["id"] for alert in topics["alerts"]] == ["node"]


def threads(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/task"))


def cpu_seconds(process: int) -> float:
    with open(f"/proc/{process}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_who_hangs_up_is_noticed_and_ten_who_watch_cost_next_to_nothing(
    controller: Running, worker: MakeWorker
) -> None:
    worker(0)
    process = controller.process.pid
    controller.ask(Overview())
    before = threads(process)
    watchers = [Watcher(controller.home) for _ in range(10)]
    for watcher in watchers:
        watcher.hears(lambda now: "alerts" in now, "all topics")
    time.sleep(1)
    began, used = time.monotonic(), cpu_seconds(process)
    time.sleep(5)
    share = (cpu_seconds(process) - used) / (time.monotonic() - began)
    print(f"ten watchers, nothing changes: {100 * share:.2f} % of a core")
    assert share < 0.03  # 0.4 % where nothing else runs; a busy machine counts in whole ticks
    for watcher in watchers:
        watcher.close()
    eventually(lambda: threads(process) <= before, "the watchers' threads end", 15)


def test_a_controller_that_is_told_to_stop_does_not_wait_for_its_watchers(
    controller: Running, watcher: Watcher
) -> None:
    watcher.hears(lambda now: "alerts" in now, "all topics")
    began = time.monotonic()
    assert controller.stop() == (0, "")
    assert time.monotonic() - began < 3


# --- parts ------------------------------------------------------------------------------------------------------------


def test_a_large_map_is_not_counted_as_often_as_it_changes(home: Home) -> None:
    clock = [100.0]
    counted = []

    def now() -> float:
        clock[0] += 1  # as long as a counting takes: between its two looks at the clock
        return clock[0]

    connection = connect.writer(home.config_db)
    connection.set_trace_callback(lambda query: counted.append(query) if "COUNT" in query else None)
    headcount = Headcount(now)
    for number in range(1, 31):
        connection.execute("INSERT OR REPLACE INTO map_state VALUES ('people', 1, 0, 0, ?, ?)", (number, number))
        connection.execute("INSERT INTO map_entry VALUES (1, ?, 'mail2', 1)", (f"{number}@example.test",))
        headcount.of(connection, ["people"])
    assert len(counted) == 1
    clock[0] += 1000
    assert headcount.of(connection, ["people"]) == {"mail2": 30}
    assert headcount.of(connection, ["people"]) == {"mail2": 30} and len(counted) == 2
    assert headcount.of(connection, []) == {}
    connection.close()


def test_a_store_is_so_since_it_was_seen_to_become_so_and_its_time_does_not_tremble() -> None:
    stores = Stores()
    assert stores.say("mail2", "up", 3.2, 10) == (None, 3)
    assert stores.say("mail2", "up", 22.9, 11) == (None, 3)
    assert stores.say("mail2", "up", 24.0, 12) == (None, 24)
    assert stores.say("mail2", "partly", None, 13) == (13, None)
    assert stores.say("mail2", "down", None, 14) == (13, None)
    assert stores.say("mail2", "up", 1500, 15) == (None, 1500)
    assert stores.say("mail2", "up", 1900, 16) == (None, 1500)


def test_a_look_that_fails_is_said_once_and_the_next_one_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("appliance.control.lookout.WATCHED", 0.05)
    seen = Sight.topics
    looks: list[bool] = []

    def topics(self: Sight, now: float) -> Any:
        looks.append(True)
        if 1 < len(looks) < 5:
            raise sqlite3.OperationalError("disk I/O error")
        return {**seen(self, now), "sessions": len(looks)}

    monkeypatch.setattr(Sight, "topics", topics)
    with contextlib.closing(Node.open(home)) as node:
        lookout = Lookout(node)
        lookout.start()
        news = lookout.watch(("sessions",))
        assert next(news) == {"sessions": 1}
        assert next(news)["sessions"] >= 5
        news.close()  # type: ignore[attr-defined]
        lookout.close()
    assert [record.getMessage().count("disk I/O error") for record in caplog.records] == [1]
