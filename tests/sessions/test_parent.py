"""The parent and its supervisor: what is lent, lost, found again; draining."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from appliance import messages, packets
from appliance.home import Home
from tests.services.ports import answers, eventually
from tests.services.processes import descriptors
from tests.sessions.role import HOST, FakeSupervisor, Role, greets, serving, session
from tests.supervisor.watching import is_alive, is_listening, of_home, parent_of

Start = Callable[[], Role]


def test_it_says_hello_then_ready_then_that_it_lives(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    hello = supervisor.meet()
    assert (hello.role, hello.instance, hello.pid) == ("sessions", "sessions-1", started.pid)
    assert supervisor.hears_nothing_of(messages.Ready, 1.5), "there is nothing to serve yet"
    (port,) = supervisor.listen(1, 2)
    supervisor.lend()
    supervisor.hear(messages.Ready)
    assert len(started.workers()) == 2 and greets(port)
    for _ in range(2):
        supervisor.hear(messages.Alive)


def test_with_nothing_to_listen_on_it_is_ready_all_the_same(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    supervisor.meet()
    supervisor.lend()
    supervisor.hear(messages.Ready)
    assert len(started.workers()) == 2


def test_more_sockets_than_fit_a_packet(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    supervisor.meet()
    ports = supervisor.listen(230, 2)
    supervisor.lend()
    supervisor.hear(messages.Ready)
    for port in ports:
        assert greets(port, 1)
    for pid in (started.pid, *started.workers()):
        assert is_listening(pid)
    assert descriptors(started.workers()[0]) < 300, "a worker has its own share only"


def test_what_is_lent_again_replaces_what_was(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    old = serving(supervisor)
    talk = session(old)
    before = [descriptors(pid) for pid in (started.pid, *started.workers())]
    for _ in range(20):
        for copies in supervisor.open.values():
            for one in copies:
                one.close()
        supervisor.open.clear()
        (new,) = supervisor.listen(1, 2)
        supervisor.lend()
    eventually(lambda: not answers(HOST, old) and answers(HOST, new), "the new address instead of the old one")
    assert greets(new) and talk.ask(b"NOOP")[-1].startswith(b"tag OK")
    eventually(lambda: [descriptors(pid) for pid in (started.pid, *started.workers())] == before, "no more descriptors")
    talk.__exit__()


def test_sockets_that_did_not_all_arrive_are_not_used(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    port = serving(supervisor)
    before = descriptors(started.pid)
    supervisor.lend(but_one=True)
    eventually(lambda: "not enough descriptors" in started.said(), "it says so")
    assert greets(port) and descriptors(started.pid) == before


def test_what_a_newer_supervisor_says_is_passed_over(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    port = serving(supervisor)
    before = descriptors(started.pid)
    assert supervisor.link
    supervisor.link.send(b"\x81\xa4type\xa6Future")
    supervisor.hear(messages.Alive)
    assert greets(port) and descriptors(started.pid) == before


def test_a_supervisor_that_restarts_is_found_again(home: Home, supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    port = serving(supervisor)
    talk, workers = session(port), started.workers()
    supervisor.leave()
    time.sleep(2)
    assert greets(port)
    second = FakeSupervisor(home)
    second.open = supervisor.open
    try:
        second.meet()
        second.lend()
        second.hear(messages.Ready)
        assert greets(port) and talk.ask(b"NOOP")[-1].startswith(b"tag OK")
        assert started.workers() == workers
    finally:
        second.leave()
        talk.__exit__()


def test_a_supervisor_that_died_in_the_middle_of_a_word(home: Home, supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    serving(supervisor)
    before = descriptors(started.pid)
    assert supervisor.link
    (spec,) = supervisor.open
    lent = [one.fileno() for one in supervisor.open[spec]]
    assert packets.send(supervisor.link, messages.Listeners([spec], 2, more=True), lent)
    eventually(lambda: descriptors(started.pid) == before + 2, "they have arrived")
    supervisor.leave()
    second = FakeSupervisor(home)
    second.open = supervisor.open
    try:
        second.meet()
        second.lend()
        second.hear(messages.Ready)
        eventually(lambda: descriptors(started.pid) == before, "what came in vain is let go")
    finally:
        second.leave()


def test_fewer_cores_after_a_restart(home: Home, supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    port = serving(supervisor, 3)
    supervisor.lend(1)
    eventually(lambda: len(started.workers()) == 1, "those that are too many drain")
    for copies in supervisor.open.values():
        for one in copies[1:]:
            one.close()
        del copies[1:]
    assert greets(port)
    os.kill(started.workers()[0], signal.SIGKILL)
    eventually(lambda: len(started.workers()) == 1, "one successor for the one")
    assert greets(port)


def test_draining_lasts_as_long_as_sessions_unless_told_again(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    port = serving(supervisor)
    talk = session(port)
    supervisor.tell(messages.Drain(math.inf))
    eventually(lambda: len(started.workers()) == 1, "who has no session ends")
    assert not is_listening(started.pid) and not is_listening(started.workers()[0])
    time.sleep(2.5)
    assert talk.ask(b"NOOP")[-1].startswith(b"tag OK")
    supervisor.hear(messages.Alive)
    supervisor.lend()
    assert supervisor.hears_nothing_of(messages.Ready, 1.5)
    assert not is_listening(started.pid), "what is lent to one that drains is not kept"
    began = time.monotonic()
    started.process.terminate()
    assert talk.rest().startswith(b"* BYE")
    assert started.process.wait(10) == 0
    assert time.monotonic() - began > 1, "drain_seconds is 2"


def test_a_shorter_drain_is_not_made_longer(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    talk = session(serving(supervisor))
    supervisor.tell(messages.Drain(1.5))
    supervisor.tell(messages.Drain(math.inf))
    began = time.monotonic()
    eventually(lambda: len(started.workers()) == 1, "it drains")
    os.kill(started.pid, signal.SIGKILL)  # its worker is an orphan, which has longer than that, too
    assert talk.rest().startswith(b"* BYE")
    assert time.monotonic() - began < 5


def test_a_drain_with_nothing_to_finish_ends_at_once(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    serving(supervisor)
    supervisor.tell(messages.Drain(60))
    assert started.process.wait(5) == 0


@pytest.mark.parametrize("greeted", [False, True])
def test_stopped_before_anything_is_lent(supervisor: FakeSupervisor, role: Start, greeted: bool) -> None:
    started = role()
    if greeted:
        supervisor.meet()
    else:
        eventually(lambda: catches(started.pid, signal.SIGTERM), "it begins")
    started.process.terminate()
    assert started.process.wait(5) == 0


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for this signal."""
    with open(f"/proc/{pid}/status") as status:
        mask = next(line.split()[1] for line in status if line.startswith("SigCgt"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_without_a_supervisor_it_ends_after_a_while(home: Home, supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    talk = session(serving(supervisor))
    supervisor.leave()
    began = time.monotonic()
    assert talk.rest().startswith(b"* BYE")
    assert started.process.wait(10) == 1, "so that systemd starts it again"
    assert 10 < time.monotonic() - began < 15


STARTS_AND_DIES = """
import subprocess, sys
subprocess.Popen([sys.executable, "-m", "appliance.sessions", "--home", sys.argv[1], "--instance", "sessions-1"])
sys.stdin.readline()
"""


def test_when_the_supervisor_that_begot_it_dies_it_serves_no_other(home: Home, supervisor: FakeSupervisor) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTS_AND_DIES, str(home.path)], stdin=subprocess.PIPE) as begetter:
        talk = session(serving(supervisor))
        parent = next(pid for pid in of_home(home.path) if parent_of(pid) == begetter.pid)
        begetter.kill()
        begetter.wait()
        assert supervisor.link
        supervisor.link.close()  # as it does when that one dies; its successor listens at the same place already
        eventually(lambda: not is_listening(parent), "it has let go of the sockets", 3)
        assert talk.ask(b"NOOP")[-1].startswith(b"tag OK")
        supervisor.server.settimeout(1)
        with pytest.raises(TimeoutError):
            supervisor.server.accept()
        talk.__exit__()
        eventually(lambda: not is_alive(parent), "it ends with its last session", 5)
