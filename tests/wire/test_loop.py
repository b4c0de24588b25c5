"""The loop: numbers used again within a batch, handlers that fail, timers, threads, listeners without descriptors."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from typing import Any

import pytest

from appliance.messages import ListenerSpec
from appliance.terms import Service
from appliance.wire.listener import Listener, Policy
from appliance.wire.loop import IN, Loop
from appliance.wire.offload import Offload


def _until(loop: Loop, done: Any, seconds: float = 3) -> None:
    """Turn until `done()`."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        loop.turn()


def test_a_number_used_again_does_not_get_the_old_events() -> None:
    loop = Loop()
    pairs = [socket.socketpair() for _ in range(2)]
    told: list[str] = []
    fresh: list[int] = []

    def first(_events: int) -> None:
        """Closes the other one, whose event is in this batch too, and opens a new one."""
        told.append("first")
        for fd in (pairs[0][0].fileno(), pairs[1][0].fileno()):
            loop.discard(fd)
        descriptor = os.open("/dev/null", os.O_RDONLY)
        fresh.append(descriptor)

    for ours, theirs in pairs:
        theirs.send(b"x")
        loop.watch(ours.fileno(), IN, first)
    old = {ours.fileno() for ours, _ in pairs}
    loop.turn()
    assert told == ["first"]
    assert fresh[0] not in old
    descriptor = os.open("/dev/null", os.O_RDONLY)
    assert descriptor in old  # closed at the end of the batch
    os.close(descriptor)
    os.close(fresh[0])
    for ours, theirs in pairs:
        ours.detach()
        theirs.close()


def test_what_a_batch_sends_goes_out_behind_all_handlers_and_before_anything_is_closed() -> None:
    loop, told = Loop(), list[str]()
    pairs = [socket.socketpair() for _ in range(3)]

    def heard(_events: int) -> None:
        told.append("heard")
        loop.outgoing.append(send)
        for ours, _ in pairs:
            assert ours.recv(1) == b"x"
            loop.discard(ours.fileno())

    def send() -> None:
        told.append("sent")
        assert pairs[0][0].send(b"y") == 1  # discarded, and still open

    for ours, theirs in pairs:
        theirs.send(b"x")
        loop.watch(ours.fileno(), IN, heard)
    loop.turn()
    assert told == ["heard", "sent"]  # the other two were discarded by the first
    assert pairs[0][1].recv(1) == b"y"
    assert pairs[0][1].recv(1) == b""
    for ours, theirs in pairs:
        ours.detach()
        theirs.close()


def test_who_fails_while_sending_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    loop, told = Loop(), list[str]()

    class Owner:
        def __init__(self, name: str) -> None:
            self.name = name

        def send(self) -> None:
            told.append(self.name)
            if self.name == "bad":
                loop.outgoing.append(Owner("late").send)
                raise RuntimeError("a bug")

        def abandon(self) -> None:
            told.append("abandoned")

    loop.call(lambda: loop.outgoing.extend(Owner(name).send for name in ("good", "bad", "other")))
    loop.turn()
    assert told == ["good", "bad", "abandoned", "other", "late"]
    assert "a bug" in caplog.text
    assert not loop.outgoing


def test_a_failing_handler_ends_its_owner_only(caplog: pytest.LogCaptureFixture) -> None:
    loop = Loop()
    pairs = [socket.socketpair() for _ in range(3)]
    told: list[int] = []

    class Owner:
        def __init__(self, number: int) -> None:
            self.number = number

        def ready(self, _events: int) -> None:
            told.append(self.number)
            if self.number == 1:
                raise ZeroDivisionError
            loop.discard(pairs[self.number][0].detach())

        def abandon(self) -> None:
            loop.discard(pairs[1][0].detach())

    for number, (ours, theirs) in enumerate(pairs):
        theirs.send(b"x")
        loop.watch(ours.fileno(), IN, Owner(number).ready)
    loop.turn()
    assert sorted(told) == [0, 1, 2]
    assert "ZeroDivisionError" in caplog.text
    with pytest.raises(ConnectionResetError):  # it was closed with an octet unread
        pairs[1][1].recv(1)


def test_timers_are_called_in_order_and_survive_failures() -> None:
    loop = Loop()
    told: list[str] = []
    loop.after(0.05, lambda: told.append("late"))
    loop.after(0.01, lambda: told.append("early"))
    loop.after(0.02, lambda: 1 / 0)
    _until(loop, lambda: len(told) == 2)
    assert told == ["early", "late"]


def test_each_second() -> None:
    loop = Loop()
    told: list[float] = []
    loop.each_second.append(lambda: told.append(loop.now))
    _until(loop, lambda: len(told) == 2)
    assert 0.9 < told[1] - told[0] < 1.5


def test_offloaded_work_is_bounded_and_answered_in_the_loop() -> None:
    loop = Loop()
    offload = Offload(loop, threads=2, queue=1)
    go = threading.Event()
    answers: list[tuple[Any, str]] = []

    def work() -> str:
        go.wait(5)
        return threading.current_thread().name

    taken = [offload(work, lambda name: answers.append((name, threading.current_thread().name))) for _ in range(4)]
    assert taken == [True, True, True, False]
    go.set()
    _until(loop, lambda: len(answers) == 3)
    assert {thread for _, thread in answers} == {threading.current_thread().name}
    assert {name for name, _ in answers} == {"offload"}

    def failing() -> None:
        raise LookupError("no")

    assert offload(failing, lambda error: answers.append((error, "")))
    _until(loop, lambda: len(answers) == 4)
    assert isinstance(answers[3][0], LookupError)


def test_no_thread_before_there_is_work() -> None:
    before = threading.active_count()
    Offload(Loop(), threads=4, queue=1)
    assert threading.active_count() == before


def test_who_cannot_be_welcomed_is_lost_alone(caplog: pytest.LogCaptureFixture) -> None:
    loop = Loop()
    share = socket.create_server(("127.0.0.1", 0))
    port = share.getsockname()[1]
    welcomed: list[int] = []

    def welcome(_policy: Policy, fd: int, _ip: str, _port: int) -> None:
        welcomed.append(fd)
        if len(welcomed) == 1:
            raise ZeroDivisionError

    policy = Policy(Service.IMAP, False, False, lambda _: True)
    listener = Listener(loop, ListenerSpec("imap", "x", False), policy, share.detach(), welcome)
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
    loop.turn()
    assert len(welcomed) == 3  # they came in one batch
    assert "ZeroDivisionError" in caplog.text
    listener.close()
    for fd, client in zip(welcomed, clients, strict=True):
        os.close(fd)
        client.close()


def test_without_descriptors_it_waits_and_then_serves() -> None:
    loop = Loop()
    share = socket.create_server(("127.0.0.1", 0))
    port = share.getsockname()[1]
    welcomed: list[int] = []
    pleas: list[int] = []
    policy = Policy(Service.IMAP, False, False, lambda _: True)
    listener = Listener(
        loop, ListenerSpec("imap", "x", False), policy, share.detach(), lambda _p, fd, _ip, _port: welcomed.append(fd)
    )
    listener.exhausted = lambda: pleas.append(1)
    client = socket.create_connection(("127.0.0.1", port))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        cpu, end = time.process_time(), time.monotonic() + 0.6
        while time.monotonic() < end:
            loop.turn()
        assert 1 <= len(pleas) <= 4
        assert time.process_time() - cpu < 0.3
        assert not welcomed
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    _until(loop, lambda: welcomed)
    listener.close()
    os.close(welcomed[0])
    client.close()
