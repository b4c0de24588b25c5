"""Who may speak to the supervisor as a role, and what becomes of a connection."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from appliance import messages, packets
from appliance.home import Home
from appliance.supervisor.links import Links
from appliance.supervisor.roles import Instance


class Ear:
    """A supervisor that only listens."""

    def __init__(self, home: Home) -> None:
        self.heard: list[tuple[str, messages.Message]] = []
        self.instances: list[Instance] = []
        self.selector = selectors.DefaultSelector()
        self.links = Links(home, self.selector, self.instances, self._obey)

    def _obey(self, instance: Instance, message: messages.FromRole) -> None:
        self.heard.append((instance.name, message))

    def turn(self, seconds: float = 0.5) -> None:
        """Until nothing has come for a moment."""
        while ready := self.selector.select(seconds):
            for key, _ in ready:
                key.data(key.fileobj)
            seconds = 0.02

    def watched(self) -> int:
        """How many connections are open."""
        return len(self.selector.get_map()) - 1


@pytest.fixture
def ear(home: Home) -> Iterator[Ear]:
    """On the home."""
    made = Ear(home)
    yield made
    for key in list(made.selector.get_map().values()):
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.close()


@pytest.fixture
def connect(home: Home, ear: Ear) -> Iterator[Callable[..., socket.socket]]:
    """Makes connections that have said these messages."""
    made: list[socket.socket] = []

    def connect(*said: messages.Message) -> socket.socket:
        made.append(packets.connect(home.supervisor_sock))
        for message in said:
            assert packets.send(made[-1], message)
        ear.turn()
        return made[-1]

    yield connect
    for one in made:
        one.close()


def hello(name: str = "sessions-7", role: str = "sessions") -> messages.Hello:
    """A role's first words."""
    return messages.Hello(role, name, 1)


def is_closed(link: socket.socket) -> bool:
    """Whether the supervisor hung up."""
    return packets.receive(link) == (b"", [])


def test_a_role_introduces_itself_and_is_heard(ear: Ear, connect: Callable[..., socket.socket]) -> None:
    link = connect(hello(), messages.Ready())
    assert ear.heard == [("sessions-7", hello()), ("sessions-7", messages.Ready())]
    ear.links.tell(messages.ReloadCertificates())
    received = packets.receive(link)
    assert received and messages.decode_from_supervisor(received[0]) == messages.ReloadCertificates()


def test_it_leaves(ear: Ear, connect: Callable[..., socket.socket]) -> None:
    connect(hello()).close()
    ear.turn()
    assert ear.instances == [] and ear.watched() == 0


def test_a_child_of_ours_that_only_loses_its_link_stays(ear: Ear, connect: Callable[..., socket.socket]) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        ear.instances.append(Instance("sessions", "sessions-1", process))
        process_pid, process.pid = process.pid, os.getpid()  # so that what we say comes from it
        connect(hello("sessions-1")).close()
        ear.turn()
        assert [one.name for one in ear.instances] == ["sessions-1"] and ear.instances[0].link is None
        process.pid = process_pid
        process.kill()


def test_it_comes_back_on_another_link(ear: Ear, connect: Callable[..., socket.socket]) -> None:
    first = connect(hello())
    second = connect(hello(), messages.Alive())
    assert is_closed(first) and not is_closed(second)
    assert len(ear.instances) == 1 and ear.heard[-1] == ("sessions-7", messages.Alive())


def test_both_links_in_one_batch(home: Home, ear: Ear, connect: Callable[..., socket.socket]) -> None:
    first = connect(hello())
    second = packets.connect(home.supervisor_sock)
    for key, _ in ear.selector.select(1):
        key.data(key.fileobj)  # accepted; what it says comes in the same batch as what the first one says
    packets.send(second, hello())
    packets.send(first, messages.Alive())
    ear.turn()
    assert len(ear.instances) == 1 and not is_closed(second)
    second.close()


@pytest.mark.parametrize("said", [messages.Ready(), messages.Alive(), hello("other-1", "other")])
def test_whoever_is_not_introduced_is_hung_up_on(
    ear: Ear, connect: Callable[..., socket.socket], said: messages.Message
) -> None:
    assert is_closed(connect(said))
    assert ear.heard == [] and ear.instances == [] and ear.watched() == 0


def test_nobody_takes_the_name_of_a_child_of_ours(ear: Ear, connect: Callable[..., socket.socket]) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        ear.instances.append(Instance("sessions", "sessions-1", child))
        assert is_closed(connect(hello("sessions-1")))
        assert ear.instances[0].link is None and ear.heard == []
        child.kill()


def test_what_a_newer_release_says_is_passed_over(ear: Ear, connect: Callable[..., socket.socket]) -> None:
    link = connect(hello())
    link.send(b"\x81\xa4type\xa6Future")
    packets.send(link, messages.Alive())
    ear.turn()
    assert ear.heard[-1] == ("sessions-7", messages.Alive())


def test_descriptors_from_a_role_are_closed(ear: Ear, connect: Callable[..., socket.socket]) -> None:
    link = connect(hello())
    before = len(os.listdir("/proc/self/fd"))
    packets.send(link, messages.Alive(), [0, 1, 2])
    ear.turn()
    assert len(os.listdir("/proc/self/fd")) == before


def test_another_user_is_refused(home: Home, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "peer_of", lambda _link: (1, 4711, 4711))
    with packets.connect(home.supervisor_sock) as stranger:
        packets.send(stranger, hello())
        ear.turn()
        assert is_closed(stranger)
    assert ear.heard == [] and ear.watched() == 0


def test_the_kernel_says_who_speaks(home: Home, ear: Ear) -> None:
    code = f"""
import time
from pathlib import Path
from appliance import packets
link = packets.connect(Path({str(home.supervisor_sock)!r}))
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        (key,) = [key for key, _ in ear.selector.select(30)]
        assert isinstance(key.fileobj, socket.socket)
        link, _ = key.fileobj.accept()
        assert packets.peer_of(link) == (process.pid, os.geteuid(), os.getegid())
        link.close()
        process.kill()


def test_instances_know_how_long_they_may_be_silent() -> None:
    now = time.monotonic()
    with subprocess.Popen(["sleep", "60"]) as process:
        new = Instance("controller", "controller-1", process)
        assert not new.is_silent(now + 60), "it may have a large database to bring up to date"
        assert new.is_silent(now + 130)
        new.forgive(now)
        assert new.heard == 0
        new.heard = now
        assert not new.is_silent(now + 9) and new.is_silent(now + 11)
        new.forgive(now + 11)
        assert not new.is_silent(now + 20)
        assert not Instance("controller", "controller-2").is_silent(now + 1000), "that is systemd's"
        process.kill()
