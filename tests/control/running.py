"""A controller as a process of its own on a temporary home, and a worker that speaks to it as real ones do."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from appliance import messages, packets
from appliance.cluster.log import put_object
from appliance.control.client import Client
from appliance.control.founding import found
from appliance.control.node import By, Node
from appliance.home import Home
from appliance.messages import Message

M = TypeVar("M", bound=Message)
TESTER = By("tester", "test")


def new_home(folder: Path) -> Home:
    """A home without a port of its own, so that several may run."""
    home = Home(folder)
    found(home, "mail1")
    with contextlib.closing(Node.open(home)) as node:
        node.change(TESTER, "no metrics", [put_object("metrics", "", {"listen": []})])
    return home


class Running:
    """A controller that runs."""

    def __init__(self, home: Home, **environment: str) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-m", "appliance.control.server", "--home", str(home.path)],
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        deadline = time.monotonic() + 20
        while not _listens(home):
            assert self.process.poll() is None and time.monotonic() < deadline, "the controller does not start"
            time.sleep(0.02)

    def ask(self, request: Any, **more: Any) -> Any:
        """The Done of one request, on a connection of its own."""
        with Client.connect(self.home) as client:
            return client.ask(request, **more)

    def stop(self) -> tuple[int, str]:
        """SIGTERM; status and standard error."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10), (self.process.stderr or sys.stdin).read().decode()  # type: ignore[union-attr]

    def close(self) -> None:
        """End it, however."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stderr:
            self.process.stderr.close()


def _listens(home: Home) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(home.control_sock)) == 0


class FakeWorker:
    """Speaks `messages` over news.sock, one step at a time."""

    def __init__(self, home: Home, slot: int = 0) -> None:
        self.pid = 40000 + slot
        self.link = packets.connect(home.news_sock)
        self.link.setblocking(True)
        self.link.settimeout(5)
        self.send(messages.WorkerHello("sessions", self.pid, slot, "sessions-1"))
        self.hear(messages.Generation)

    @property
    def name(self) -> str:
        """As the controller names it."""
        return f"(pid {self.pid})"

    def send(self, message: Message) -> None:
        """To the controller."""
        assert packets.send(self.link, message)

    def send_all(self, message: Message) -> None:
        """To the controller, waiting until it reads."""
        self.link.sendall(messages.encode(message))

    def hear(self, kind: type[M]) -> M:
        """The next message of that kind; others before it are passed over. Raises TimeoutError."""
        while True:
            packet = self.link.recv(messages.PACKET)
            assert packet, "the controller hung up"
            message = messages.decode_from_controller(packet)
            if isinstance(message, kind):
                return message

    def hears_nothing(self, seconds: float) -> bool:
        """Whether the controller stays silent."""
        self.link.settimeout(seconds)
        try:
            return not self.link.recv(messages.PACKET)
        except TimeoutError:
            return True
        finally:
            self.link.settimeout(5)

    def close(self) -> None:
        """Die."""
        self.link.close()


@contextlib.contextmanager
def raw(home: Home) -> Iterator[socket.socket]:
    """A bare connection to the control socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(home.control_sock))
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Until the other side closes, however it does."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)
