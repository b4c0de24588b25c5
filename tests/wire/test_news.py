"""The link to the controller: lots, lists in parts, a controller that is away, comes late or does not read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from appliance import messages, packets
from appliance.messages import Outcome, SessionRow
from appliance.terms import Limits
from appliance.wire.crowds import Counted, Crowds
from appliance.wire.loop import Loop
from appliance.wire.news import KEPT_MOST, News


def outcome(number: int) -> Outcome:
    return Outcome(1.0, f"s{number}", "imap", "u" * 500, "192.0.2.1", ms=[0.0] * 4)


class Pair:
    """A worker's end, and a controller's that may not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loop = Loop()
        self.heard: list[Any] = []
        hello = messages.WorkerHello("sessions", 1, 0, "i")
        self.crowds = Crowds(Counted())
        self.news = News(self.loop, path, hello, self.heard.append, lambda: {"connections/imap": 7.0}, self.crowds)

    def listen(self) -> None:
        self.server = packets.listen(self.path, 0o600)

    def accept(self) -> None:
        self.turn(0.05)
        self.end, _ = self.server.accept()
        self.end.setblocking(False)

    def turn(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self.loop.after(seconds, lambda: None)
        while time.monotonic() < until:
            self.loop.turn()

    def received(self) -> list[Any]:
        found = []
        while (packet := packets.receive(self.end)) is not None and packet[0]:
            found.append(messages.decode_from_worker(packet[0]))
        return found


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path / "news.sock")


def test_a_controller_that_comes_late_gets_everything(pair: Pair) -> None:
    for number in range(0, 250, 10):
        pair.news.happened([outcome(number + more) for more in range(10)])
    pair.news.failed({"192.0.2.1": 2})
    pair.news.failed({"192.0.2.1": 1})
    pair.listen()
    pair.turn(1.1)
    pair.accept()
    pair.turn(0.2)
    first, *rest = pair.received()
    assert first == messages.WorkerHello("sessions", 1, 0, "i")
    lots = [lot for lot in rest if isinstance(lot, messages.PackedOutcomes)]
    seen = [one.session for lot in lots for one in messages.unpack(lot.outcomes)]
    assert sum(map(messages.count, lots)) == 250
    assert seen == [f"s{number}" for number in range(250)]
    assert messages.FailuresSeen({"192.0.2.1": 3}) in rest
    assert messages.Counters({"connections/imap": 7.0}) in rest


def test_what_strangers_send_is_never_more_than_a_packet(pair: Pair) -> None:
    pair.listen()
    pair.turn(1.1)
    pair.accept()
    names = [str(number) + "\u00fc" * (4000 if number % 7 else 10) for number in range(300)]
    pair.news.failed(dict.fromkeys(names, 1))
    pair.news.happened([Outcome(1.0, "s", "imap", name, "192.0.2.1", ms=[0.0] * 4) for name in names])
    told: list[Any] = []
    for _ in range(200):
        pair.turn(0.02)
        told += pair.received()
        if sum(len(one.failures) for one in told if isinstance(one, messages.FailuresSeen)) == len(names):
            break
    lots = [messages.unpack(one.outcomes) for one in told if isinstance(one, messages.PackedOutcomes)]
    assert [one.user for lot in lots for one in lot] == names
    assert max(map(len, lots)) > 1
    seen = [key for one in told if isinstance(one, messages.FailuresSeen) for key in one.failures]
    assert seen == names and len({type(one) for one in told}) >= 3


def test_a_controller_that_comes_back(pair: Pair) -> None:
    pair.listen()
    pair.turn(1.1)
    pair.accept()
    pair.end.close()
    pair.turn(0.05)
    pair.news.happened([outcome(1)])
    pair.turn(1.2)
    pair.accept()
    pair.turn(0.2)
    kinds = [type(message).__name__ for message in pair.received()]
    assert kinds[0] == "WorkerHello"
    assert "PackedOutcomes" in kinds


def test_a_controller_that_begins_with_us_is_found_at_once(pair: Pair) -> None:
    pair.turn(0.1)
    pair.listen()
    pair.turn(0.4)
    pair.accept()
    assert pair.received()[0] == messages.WorkerHello("sessions", 1, 0, "i")


def test_what_is_held_is_told_within_a_tick_and_anew_to_who_comes_back(pair: Pair) -> None:
    pair.crowds.bound(Limits(sessions_per_account=4), 2)
    for _ in range(3):
        pair.crowds.account.add("maria")
    pair.listen()
    pair.turn(1.1)
    pair.accept()
    pair.turn(0.15)
    assert messages.Held({"account maria": 3}) in pair.received()
    pair.crowds.account.add("maria")
    pair.turn(0.15)
    assert messages.Held({"account maria": 4}) in pair.received()
    packets.send(pair.end, messages.Held({"account maria": 7}))
    pair.turn(0.15)
    assert not [one for one in pair.received() if isinstance(one, messages.Held)]
    pair.end.close()
    pair.turn(0.05)
    pair.crowds.account.remove("maria")
    pair.turn(1.1)
    pair.accept()
    pair.turn(0.15)
    assert messages.Held({"account maria": 3}) in pair.received()


def test_a_controller_that_does_not_read_costs_neither_time_nor_memory(pair: Pair) -> None:
    pair.listen()
    pair.turn(1.1)
    pair.accept()
    began = time.monotonic()
    pair.news.happened([outcome(number) for number in range(KEPT_MOST + 5000)])
    pair.turn(0.3)
    assert pair.news.dropped == 5000
    assert time.monotonic() - began < 3


def test_what_the_controller_says_is_heard(pair: Pair) -> None:
    pair.listen()
    pair.turn(1.1)
    pair.accept()
    packets.send(pair.end, messages.Generation(5, certificates=True))
    pair.end.send(b"of a newer release")
    packets.send(pair.end, messages.Kick(1, user="maria"))
    pair.turn(0.1)
    assert pair.heard == [messages.Generation(5, certificates=True), messages.Kick(1, user="maria")]


@pytest.mark.parametrize(("count", "size"), [(0, 1), (1, 10), (1000, 20), (300, 4000)])
def test_long_lists_come_in_parts(pair: Pair, count: int, size: int) -> None:
    pair.listen()
    pair.turn(1.1)
    pair.accept()
    rows = [SessionRow(str(n), "u" * size, "imap", "192.0.2.1", "beta", 1.0, 2, 3, "relaying") for n in range(count)]
    seen: list[SessionRow] = []
    parts: list[bool] = []
    import threading

    def read() -> None:
        pair.end.settimeout(5)
        while not parts or parts[-1]:
            message = messages.decode_from_worker(pair.end.recv(messages.PACKET))
            if isinstance(message, messages.Sessions):
                assert message.request == 9
                seen.extend(message.sessions)
                parts.append(message.more)

    reader = threading.Thread(target=read)
    reader.start()
    pair.news.answer_sessions(9, rows)
    pair.turn(0.5)
    reader.join(5)
    assert seen == rows
    assert parts == [True] * (len(parts) - 1) + [False]
