"""A worker as a process of its own: sockets by its pipe, drain, signals, the death of its parent."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance import messages, packets
from appliance.edge.tls import Certificates
from appliance.terms import Endpoint, Service
from appliance.wire.listener import Policy
from appliance.wire.loop import Loop
from appliance.wire.worker import Worker

LineOf = Callable[[socket.socket], bytes]


class Process:
    """A forked worker, from its parent's side."""

    def __init__(self, gate: Any, store: Any, conversation: Any, certificates: Certificates, folder: Path) -> None:
        gate.endpoint = Endpoint("beta", "127.0.0.1", store.port)
        self.reloads = folder / "reloads"
        self.beats = folder / "beats"
        self.control, theirs = packets.pair()
        self.pid = os.fork()
        if self.pid == 0:
            self.control.close()
            status = 1
            try:
                status = self._serve(gate, conversation, certificates, theirs)
            finally:
                os._exit(status)
        theirs.close()
        self.port = self.listen()

    def _serve(self, gate: Any, conversation: Any, certificates: Certificates, control: socket.socket) -> int:
        return Worker(
            Loop(),
            slot=0,
            instance="test",
            hostname="mail.example.test",
            admission=gate,
            certificates=certificates,
            protocols={Service.IMAP: conversation},
            farewells={Service.IMAP: b"BYE\r\n"},
            policy=lambda spec: Policy(Service.IMAP, spec.tls, False, lambda _: True),
            control=control,
            on_certificates=self.reloads.touch,
            heartbeat=self.beats.touch,
            log_fd=os.open("/dev/null", os.O_WRONLY),
        ).run()

    def listen(self) -> int:
        """Lend it another listening socket, in the place of all before. Returns the port."""
        share = socket.create_server(("127.0.0.1", 0))
        spec = messages.ListenerSpec("imap", "127.0.0.1:0", False)
        assert packets.send(self.control, messages.Listeners([spec], 1), [share.fileno()])
        port = int(share.getsockname()[1])
        share.close()
        return port

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def ended(self, seconds: float = 5) -> int | None:
        """Its exit status; None if it goes on."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        return None


@pytest.fixture
def process(gate: Any, store: Any, conversation: Any, certificates: Certificates, tmp_path: Path) -> Iterator[Process]:
    made = Process(gate, store, conversation, certificates, tmp_path)
    yield made
    if made.pid:
        os.kill(made.pid, signal.SIGKILL)
        os.waitpid(made.pid, 0)


def _session(process: Process, store: Any, line_of: LineOf) -> tuple[socket.socket, socket.socket]:
    client = process.connect()
    assert line_of(client) == b"HI\r\n"
    client.sendall(b"maria\r\n")
    assert line_of(client) == b"OK\r\n"
    return client, store.next()


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it was in the queue when the socket was closed
    return False


@pytest.mark.parametrize("how", ["message", "signal", "death of the parent"])
def test_it_drains(process: Process, store: Any, line_of: LineOf, eventually: Any, how: str) -> None:
    client, behind = _session(process, store, line_of)
    if how == "message":
        packets.send(process.control, messages.Drain(60))
    elif how == "signal":
        os.kill(process.pid, signal.SIGTERM)
    else:
        process.control.close()
    eventually(lambda: _refused(process.port))
    client.sendall(b"still here\r\n")
    assert line_of(behind) == b"still here\r\n"
    assert process.ended(1.2) is None
    client.close()
    behind.close()
    assert process.ended() == 0


def test_at_the_end_of_a_drain_it_says_farewell(process: Process, store: Any, line_of: LineOf) -> None:
    client, _ = _session(process, store, line_of)
    waiting = process.connect()
    assert line_of(waiting) == b"HI\r\n"
    packets.send(process.control, messages.Drain(0.5))
    for end in (client, waiting):
        assert line_of(end) == b"BYE\r\n"
        assert end.recv(1) == b""
    assert process.ended() == 0


def test_idle_it_ends_at_once(process: Process, line_of: LineOf) -> None:
    assert line_of(process.connect()) == b"HI\r\n"
    packets.send(process.control, messages.Drain(0.1))
    assert process.ended() == 0


def test_other_sockets_leave_sessions_alone(process: Process, store: Any, line_of: LineOf, eventually: Any) -> None:
    client, behind = _session(process, store, line_of)
    before, process.port = process.port, process.listen()
    eventually(lambda: _refused(before))
    _session(process, store, line_of)
    client.sendall(b"still here\r\n")
    assert line_of(behind) == b"still here\r\n"


def test_certificates_and_heartbeat(process: Process, eventually: Any) -> None:
    packets.send(process.control, messages.ReloadCertificates())
    eventually(process.reloads.exists)
    eventually(process.beats.exists)
