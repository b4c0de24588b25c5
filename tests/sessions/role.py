"""The two ends of the link between supervisor and sessions role: the role as a process, the supervisor as a puppet."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TypeVar

from appliance import messages, packets
from appliance.home import Home
from appliance.messages import ListenerSpec, Message
from appliance.supervisor.listeners import open_socket
from tests.services.ports import eventually, free_port
from tests.services.talk import Talk
from tests.supervisor.watching import of_home, parent_of

M = TypeVar("M", bound=Message)
HOST = "127.0.0.33"


class FakeSupervisor:
    """Opens sockets, lends them, hears what the role says."""

    def __init__(self, home: Home) -> None:
        self.server = packets.listen(home.supervisor_sock, 0o600)
        self.server.settimeout(20)
        self.link: socket.socket | None = None
        self.open: dict[ListenerSpec, list[socket.socket]] = {}

    def meet(self) -> messages.Hello:
        """Accept the role's connection; its first words."""
        if self.link is not None:
            self.link.close()
        self.link, _ = self.server.accept()
        self.link.settimeout(20)
        return self.hear(messages.Hello)

    def hear(self, kind: type[M]) -> M:
        """The next message of that kind; others before it are passed over. Raises TimeoutError."""
        assert self.link is not None
        while True:
            packet = self.link.recv(messages.PACKET)
            assert packet, "the role hung up"
            message = messages.decode_from_role(packet)
            if isinstance(message, kind):
                return message

    def hears_nothing_of(self, kind: type[Message], seconds: float) -> bool:
        """Whether no such message comes within this time."""
        assert self.link is not None
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.link.settimeout(left)
            try:
                packet = self.link.recv(messages.PACKET)
            except TimeoutError:
                break
            if not packet or isinstance(messages.decode_from_role(packet), kind):
                return False
        self.link.settimeout(20)
        return True

    def tell(self, message: Message) -> None:
        """To the role."""
        assert self.link is not None
        assert packets.send(self.link, message)

    def listen(self, number: int, copies: int) -> list[int]:
        """Open so many addresses, each `copies` times; their ports."""
        ports = [free_port(HOST) for _ in range(number)]
        for port in ports:
            spec = ListenerSpec("imap", f"{HOST}:{port}", False)
            self.open[spec] = [open_socket(spec.address) for _ in range(copies)]
        return ports

    def lend(self, copies: int = 2, part: int = 100, but_one: bool = False) -> None:
        """Tell the role of all that is open, so many addresses in a packet."""
        assert self.link is not None
        specs = list(self.open)
        for at in range(0, max(len(specs), 1), part):
            some = specs[at : at + part]
            lent = [one.fileno() for spec in some for one in self.open[spec][:copies]]
            message = messages.Listeners(some, copies, more=at + part < len(specs))
            assert packets.send(self.link, message, lent[1:] if but_one else lent)

    def leave(self) -> None:
        """Die; the sockets stay, as in the descriptor store."""
        self.server.close()
        if self.link is not None:
            self.link.close()
            self.link = None

    def close(self) -> None:
        """Let go of everything."""
        self.leave()
        for one in [one for copies in self.open.values() for one in copies]:
            one.close()


class Role:
    """`python -m appliance.sessions`, as the supervisor starts it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.log = home.path.parent / "log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "appliance.sessions", "--home", str(home.path), "--instance", "sessions-1"],
                stdin=subprocess.DEVNULL, stderr=log, start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the parent."""
        return self.process.pid

    def workers(self) -> list[int]:
        """Its children, the oldest first."""
        return sorted(pid for pid in of_home(self.home.path) if parent_of(pid) == self.pid)

    def said(self) -> str:
        """All of its log."""
        return self.log.read_text()

    def crash(self, worker: int) -> int:
        """Kill a worker, and wait for its successor; the pid of that one."""
        before = set(self.workers())
        os.kill(worker, signal.SIGKILL)
        return eventually(lambda: next(iter(set(self.workers()) - before), 0), "it has a successor")

    def kill(self) -> None:
        """All of it."""
        for worker in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


def serving(supervisor: FakeSupervisor, copies: int = 2) -> int:
    """Have a role that has been started serve one address; its port."""
    assert supervisor.meet().instance == "sessions-1"
    (port,) = supervisor.listen(1, copies)
    supervisor.lend(copies)
    supervisor.hear(messages.Ready)
    return port


def greets(port: int, times: int = 12) -> bool:
    """Whether all of so many connections in a row are served."""
    for _ in range(times):
        with Talk(HOST, port) as talk:
            if not talk.line().startswith(b"* OK"):
                return False
    return True


def session(port: int) -> Talk:
    """A logged-in connection."""
    talk = Talk(HOST, port)
    talk.line()
    assert talk.plain("maria@example.test", "secret")[-1].startswith(b"tag OK")
    return talk
