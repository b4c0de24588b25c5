"""The controller beside a supervisor: it says that it lives, and asks before a listener moves."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from appliance import messages, packets
from appliance.control.api import Refused
from appliance.control.api.accounts import AccountAdd
from appliance.control.api.live import Status
from appliance.control.api.services import ServiceSet
from appliance.home import Home
from appliance.messages import ListenersOpen, ListenersPossible
from tests.control.running import Running
from tests.services.ports import eventually


class FakeSupervisor:
    """Answers as told, in a thread, and remembers what it heard."""

    def __init__(self, home: Home) -> None:
        self._server = packets.listen(home.supervisor_sock, 0o600)
        self._server.setblocking(True)
        self.problems: list[str] = []
        self.not_open: list[str] = []
        self.heard: list[messages.Message] = []
        self.link: socket.socket | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        self.link, _ = self._server.accept()
        with contextlib.suppress(OSError):
            while packet := self.link.recv(messages.PACKET):
                self._hear(self.link, messages.decode_from_role(packet))

    def _hear(self, link: socket.socket, message: messages.Message) -> None:
        self.heard.append(message)
        if isinstance(message, messages.ListenersWanted):
            packets.send(link, ListenersPossible(message.request, self.problems))
        elif isinstance(message, messages.ConfigurationChanged):
            packets.send(link, ListenersOpen(message.revision, self.not_open))

    def of(self, kind: type[messages.Message]) -> list[messages.Message]:
        """What it heard of this kind."""
        return [message for message in self.heard if isinstance(message, kind)]

    def close(self) -> None:
        """Go away."""
        self._server.close()
        if self.link:
            with contextlib.suppress(OSError):
                self.link.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def supervisor(home: Home) -> Iterator[FakeSupervisor]:
    """A supervisor that is there before the controller."""
    fake = FakeSupervisor(home)
    yield fake
    fake.close()


@pytest.fixture
def supervised(supervisor: FakeSupervisor, controller: Running) -> Running:
    """A controller that the supervisor knows to be ready."""
    eventually(lambda: supervisor.of(messages.Ready), "ready")
    return controller


def _asked(supervisor: FakeSupervisor) -> list[list[messages.ListenerSpec]]:
    wanted = supervisor.of(messages.ListenersWanted)
    return [message.listeners for message in wanted if isinstance(message, messages.ListenersWanted)]


def test_it_says_hello_ready_and_then_alive(supervisor: FakeSupervisor, supervised: Running) -> None:
    hello = supervisor.heard[0]
    assert hello == messages.Hello("controller", "controller", supervised.process.pid)
    eventually(lambda: len(supervisor.of(messages.Alive)) > 1, "alive, again and again", 5)


def test_a_port_that_cannot_be_opened_refuses_the_change(supervisor: FakeSupervisor, supervised: Running) -> None:
    supervisor.problems = ["cannot listen on 127.0.0.9:1143 for imap: another program listens there"]
    with pytest.raises(Refused, match="another program listens there"):
        supervised.ask(ServiceSet("imap", {"listen": ["127.0.0.9:1143"]}))
    assert [messages.ListenerSpec("imap", "127.0.0.9:1143", False)] in _asked(supervisor)
    assert not supervisor.of(messages.ConfigurationChanged)
    supervisor.problems = []
    done = supervised.ask(ServiceSet("imap", {"listen": ["127.0.0.9:1143"]}))
    assert done.note == ""
    assert supervisor.of(messages.ConfigurationChanged)


def test_what_is_not_open_after_all_is_in_the_note(supervisor: FakeSupervisor, supervised: Running) -> None:
    supervisor.not_open = ["cannot listen on 127.0.0.9:1143 for imap: taken meanwhile"]
    assert "taken meanwhile" in supervised.ask(ServiceSet("imap", {"listen": ["127.0.0.9:1143"]})).note


def test_a_change_that_moves_no_listener_does_not_ask(supervisor: FakeSupervisor, supervised: Running) -> None:
    supervised.ask(AccountAdd("maria@example.test", "pw"))
    assert not supervisor.of(messages.ConfigurationChanged)
    assert all(len(listeners) > 1 for listeners in _asked(supervisor))  # of all of them: whether they are open


def test_it_goes_on_without_its_supervisor_and_finds_the_next_one(
    home: Home, supervisor: FakeSupervisor, supervised: Running
) -> None:
    supervisor.close()
    assert supervised.ask(Status()).value["node"] == "mail1"
    second = FakeSupervisor(home)
    try:
        eventually(lambda: second.of(messages.Ready), "ready again", 5)
    finally:
        second.close()


def test_drain_ends_it(supervisor: FakeSupervisor, supervised: Running) -> None:
    assert supervisor.link is not None
    packets.send(supervisor.link, messages.Drain(1.0))
    assert supervised.process.wait(5) == 0
