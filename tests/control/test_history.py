"""Log-ins that ended: past ones, live ones, filtered, and still there after the controller."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from appliance import messages
from appliance.control import history
from appliance.control.api import Refused
from appliance.control.api.live import LogTail
from appliance.control.client import Client
from appliance.control.history import History, Wanted
from appliance.messages import Outcome
from db.connect import writer
from db.migrate import migrate
from tests.control.running import FakeWorker, Running

MakeWorker = Callable[[int], FakeWorker]


def outcome(user: str = "maria@example.test", refusal: str = "", session: str = "1-1", **more: object) -> Outcome:
    """A log-in that ended."""
    fields: dict[str, object] = {
        "at": time.time(), "session": session, "service": "imap", "user": user, "client": "192.0.2.7",
        "backend": "mail2", "refusal": refusal, "ms": [1.0, 2.0, 3.0, 6.0], **more,
    }  # fmt: skip
    return Outcome(**fields)  # type: ignore[arg-type]


def test_log_ins_of_the_past_and_then_live(controller: Running, worker: MakeWorker) -> None:
    one = worker(0)
    one.send(messages.Outcomes([outcome(session="1-1"), outcome(session="1-2", refusal="bad-credentials")]))
    time.sleep(0.2)
    with Client.connect(controller.home) as client:
        events = client.stream(LogTail())
        assert [next(events).value["session"] for _ in range(2)] == ["1-1", "1-2"]
        one.send(messages.Outcomes([outcome(session="1-3")]))
        assert next(events).value["session"] == "1-3"


@pytest.mark.parametrize(
    ("request_", "sessions"),
    [
        (LogTail(outcome="ok", follow=False), ["1-1"]),
        (LogTail(outcome="refused", follow=False), ["1-2", "1-3"]),
        (LogTail(outcome="bad-credentials", follow=False), ["1-2"]),
        (LogTail(user="otto@example.test", follow=False), ["1-3"]),
        (LogTail(service="pop3", follow=False), []),
        (LogTail(last=1, follow=False), ["1-3"]),
        (LogTail(last=0, follow=False), []),
    ],
)
def test_log_ins_are_filtered(controller: Running, worker: MakeWorker, request_: LogTail, sessions: list[str]) -> None:
    worker(0).send(
        messages.Outcomes(
            [
                outcome(session="1-1"),
                outcome(session="1-2", refusal="bad-credentials"),
                outcome("otto@example.test", "backend-down", "1-3"),
            ]
        )
    )
    time.sleep(0.2)
    with Client.connect(controller.home) as client:
        assert [event.value["session"] for event in client.stream(request_)] == sessions


def test_history_survives_the_controller(controller: Running, worker: MakeWorker) -> None:
    worker(0).send(messages.Outcomes([outcome(session="7-7")]))
    time.sleep(0.1)
    assert controller.stop()[0] == 0
    with Client.connect(controller.home) as client:
        assert [event.value["session"] for event in client.stream(LogTail())] == ["7-7"]


def test_an_unknown_outcome_is_wrong_usage(controller: Running) -> None:
    with Client.connect(controller.home) as client, pytest.raises(Refused, match="no outcome 'fine'"):
        list(client.stream(LogTail(outcome="fine")))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[History]:
    """A history of its own."""
    with closing(writer(tmp_path / "node.db")) as connection:
        migrate(connection, "node")
    made = History(tmp_path / "node.db")
    yield made
    made.close()


def packed(*outcomes: object) -> messages.PackedOutcomes:
    """As the controller takes them from a worker."""
    return messages.PackedOutcomes(msgspec.Raw(msgspec.msgpack.encode(outcomes)))


def sessions(kept: History, limit: int, **wanted: str) -> list[str]:
    """Those of the past."""
    return [one.session for one in kept.recent(Wanted(**wanted), limit)]


def test_the_latest_of_many_lots_are_found_in_their_order(kept: History) -> None:
    for lot in range(5):
        kept.hear(packed(*(outcome(f"u{number}", session=f"{lot}-{number}") for number in range(3))))
    kept.hear(packed())
    assert sessions(kept, 4) == ["3-2", "4-0", "4-1", "4-2"]
    assert sessions(kept, 2, user="u1") == ["3-1", "4-1"]
    assert sessions(kept, 0) == sessions(kept, 9, outcome="refused") == []
    assert len(sessions(kept, 100)) == 15 and kept.lost == 0
    assert kept.recent(Wanted(), 1)[0].ms == [1.0, 2.0, 3.0, 6.0]


def test_a_lot_that_cannot_be_read_hides_no_other(kept: History, caplog: pytest.LogCaptureFixture) -> None:
    kept.hear(packed(outcome(session="1-1")))
    kept.hear(packed("of another kind", 7))
    kept.hear(packed(outcome(session="1-2")))
    assert sessions(kept, 10) == ["1-1", "1-2"]
    assert "cannot be read" in caplog.text
    with pytest.raises(msgspec.DecodeError):
        kept.hear(messages.PackedOutcomes(msgspec.Raw(b"\x07")))


def test_outcomes_of_a_later_release_are_read(kept: History) -> None:
    kept.hear(packed((*msgspec.structs.astuple(outcome(session="1-1")), "a field we do not know")))
    assert sessions(kept, 10) == ["1-1"]


def test_what_is_missing_is_counted(kept: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "EVERY", 60)
    monkeypatch.setattr(history, "HELD", 3)
    for _ in range(3):
        kept.hear(packed(outcome(), outcome()))
    assert kept.lost == 2, "beyond what may wait"
    kept.flush()
    with closing(writer(tmp_path / "node.db")) as connection:
        connection.execute("DROP TABLE log_ins")
    kept.hear(packed(outcome(), outcome()))
    kept.flush()
    assert kept.lost == 4, "not written"


@pytest.mark.parametrize("number", [0, 1, 15, 16, 300, 70_000])
def test_lots_are_counted_by_their_head(number: int) -> None:
    assert messages.count(packed(*[None] * number)) == number


def test_a_slow_follower_misses_the_oldest(kept: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "FOLLOWED", 2)
    with kept.follow() as follower:
        kept.hear(packed(*(outcome(session=f"1-{number}") for number in range(3))))
        assert [one.session for one in follower.take(1)] == ["1-1", "1-2"]
    kept.hear(packed(outcome()))
    assert follower.take(0) == []


@pytest.mark.parametrize("outcomes", [7, "text", None, {"a": 1}])
def test_a_worker_whose_outcomes_are_none_is_hung_up_on(
    controller: Running, worker: MakeWorker, outcomes: object
) -> None:
    bad = worker(0)
    bad.link.send(msgspec.msgpack.encode({"type": "Outcomes", "outcomes": outcomes}))
    assert bad.link.recv(100) == b""
