"""What the console's SSH server does, without SSH: lets an administrator's process in, in this process."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from appliance.control import reception
from appliance.control.api import Done, Request
from appliance.control.api.console import BY_KEY, ConsoleEnter
from appliance.control.client import INHERITED, Client, Replies
from appliance.control.client import _Socket as Way
from appliance.control.node import Node
from appliance.control.reception import Reception
from tests.control.running import Running

CLIENT = "192.0.2.7"


class Inside:
    """One process that was let in: its first conversation, and as many more as `more` is called for."""

    def __init__(self, controller: Running, name: str, locked: bool = False, by: str = BY_KEY) -> None:
        self.link, theirs = socket.socketpair()
        with theirs:
            self.role = controller.ask(ConsoleEnter(name, CLIENT, by, locked), file=theirs).value["role"]
        self.home = controller.home
        self._way = Way(self.link)
        self.client = Client(self._way)

    def ask(self, request: Any, **more: Any) -> Done:
        """On the first conversation."""
        return self.client.ask(request, **more)

    def replies(self, request: Request) -> Replies:
        """On the first conversation, one by one."""
        return self._way.replies(request, None)

    @contextmanager
    def inherited(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
        """This process is that one: `Client.connect` speaks as the administrator."""
        with monkeypatch.context() as patched:
            patched.setenv(INHERITED, str(self.link.fileno()))
            yield patched

    def close(self) -> None:
        """It ends."""
        self.link.close()


@contextmanager
def listening(node: Node, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reception]:
    """The control socket, where whoever connects is taken for the console's user: this machine has none."""
    with monkeypatch.context() as patched:
        patched.setattr(reception, "peer_of", lambda link: (1, 4242, 4242))
        patched.setattr("pwd.getpwuid", lambda uid: type("Entry", (), {"pw_name": reception.CONSOLE}))
        node.consoles = here = Reception(node, node.home.control_sock)
        stop, stopped = socket.socketpair()

        def accept() -> None:
            while stop.fileno() not in select.select([here.fileno(), stop.fileno()], [], [])[0]:
                here.accept()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield here
        finally:
            stopped.close()
            thread.join()
            stop.close()
            here.close()
