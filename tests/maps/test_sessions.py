"""Which sessions end when a map changes, and only when that was asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from appliance import messages
from appliance.control.api.maps import MapPut, MapRemove
from tests.control.running import FakeWorker, Running
from tests.maps.conftest import People


class Sessions:
    """A worker with these sessions; what it was asked to end."""

    def __init__(self, worker: FakeWorker, rows: list[tuple[str, str, str]]) -> None:
        self.ended: list[str] = []
        self._worker = worker
        self._rows = [
            messages.SessionRow(name, user, "imap", "192.0.2.1", backend, 0.0, 0, 0, "relay")
            for name, user, backend in rows
        ]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        self._worker.link.settimeout(None)
        while packet := self._worker.link.recv(messages.PACKET):
            message = messages.decode_from_controller(packet)
            if isinstance(message, messages.Generation):
                self._worker.send(messages.Applied(message.revision))
            elif isinstance(message, messages.ListSessions):
                self._worker.send(messages.Sessions(message.request, self._rows))
            elif isinstance(message, messages.Kick):
                self.ended += message.ids
                self._worker.send(messages.Kicked(message.request, len(message.ids)))


def test_end_sessions_ends_those_whose_back_end_changed_and_no_others(
    people: People, controller: Running, worker: Callable[[int], FakeWorker]
) -> None:
    people.load("a@x.test,alpha\nb@x.test,alpha\nc@x.test,beta\n@y.test,alpha\nz@y.test,beta\n")
    rows = [
        ("moved", "a@x.test", "alpha"),
        ("stays", "b@x.test", "alpha"),
        ("gone", "c@x.test", "beta"),
        ("moved-with-its-domain", "anyone@y.test", "alpha"),
        ("not-of-its-domain", "z@y.test", "beta"),
        ("routed-by-another-map", "a@x.test", "gamma"),
        ("not-logged-in", "", ""),
    ]
    second = "a@x.test,beta\nb@x.test,alpha\n@y.test,beta\nz@y.test,beta\n"
    sessions = Sessions(worker(0), rows)
    people.load(second, "replace", dry_run=True, end_sessions=True)
    assert sessions.ended == []
    people.load(second, "replace", end_sessions=True)
    assert sorted(sessions.ended) == ["gone", "moved", "moved-with-its-domain"]


@pytest.mark.parametrize("end_sessions", [True, False])
def test_single_entries_end_sessions_only_when_asked(
    people: People, controller: Running, worker: Callable[[int], FakeWorker], end_sessions: bool
) -> None:
    people.load("a@x.test,alpha\n@x.test,beta\nb@x.test,alpha\n")
    rows = [("one", "a@x.test", "alpha"), ("two", "b@x.test", "alpha"), ("three", "c@x.test", "beta")]
    sessions = Sessions(worker(0), rows)
    people.ask(MapPut("people", "a@x.test", "beta", end_sessions))
    people.ask(MapRemove("people", "b@x.test", end_sessions))
    assert sessions.ended == (["one", "two"] if end_sessions else [])
