"""Log-ins that ended: past ones, live ones, filtered, and still there after the controller."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from appliance import messages
from appliance.control.api import Refused
from appliance.control.api.live import LogTail
from appliance.control.client import Client
from appliance.messages import Outcome
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
def test_log_ins_are_filtered(
    controller: Running, worker: MakeWorker, request_: LogTail, sessions: list[str]
) -> None:
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
