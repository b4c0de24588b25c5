"""Workers that die, hang or cannot start are replaced; their parent gives them nothing of its own."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance import messages
from appliance.control import x509
from appliance.home import Home
from appliance.messages import ListenerSpec
from appliance.supervisor.listeners import open_socket
from tests.services.ports import eventually, free_port
from tests.services.processes import descriptors
from tests.sessions.role import HOST, FakeSupervisor, Role, greets, serving, session
from tests.supervisor.watching import is_alive, is_listening

Start = Callable[[], Role]


def test_a_worker_that_dies_is_replaced_at_once_then_slower(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    port = serving(supervisor, 1)
    (worker,) = started.workers()
    for pause in ("0.1", "0.5", "1"):
        worker = started.crash(worker)
        with socket.create_connection((HOST, port), 20) as client:
            assert client.recv(100).startswith(b"* OK")
        assert f"sessions-1: worker 0 ended by signal 9: replaced in {pause} s" in started.said()


def test_what_waits_for_a_worker_that_died_is_served_by_its_successor(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    port = serving(supervisor, 1)
    (worker,) = started.workers()
    os.kill(worker, signal.SIGSTOP)
    with socket.create_connection((HOST, port), 20) as waiting:
        started.crash(worker)
        assert waiting.recv(100).startswith(b"* OK")


def test_a_worker_that_hangs_is_replaced_after_five_seconds(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    port = serving(supervisor)
    hung, other = started.workers()
    os.kill(hung, signal.SIGSTOP)
    began = time.monotonic()
    assert greets(port, 16), "what waited for the hung one is served by its successor"
    assert 4 < time.monotonic() - began < 9
    assert "hangs: replaced" in started.said()
    assert not is_alive(hung) and other in started.workers() and len(started.workers()) == 2


def test_a_pause_of_the_whole_machine_is_no_hang(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    port = serving(supervisor)
    everyone = [started.pid, *started.workers()]
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(6.5)
    os.kill(started.pid, signal.SIGCONT)  # who watches wakes first
    time.sleep(1)
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)
    assert greets(port)
    time.sleep(1.5)
    assert [started.pid, *started.workers()] == everyone


def test_what_keeps_a_worker_from_starting_is_said_and_tried_again(
    home: Home, supervisor: FakeSupervisor, role: Start
) -> None:
    key = home.secret_key.read_bytes()
    home.secret_key.write_bytes(b"no key\n")
    started = role()
    supervisor.meet()
    (port,) = supervisor.listen(1, 1)
    supervisor.lend(1)
    eventually(lambda: "worker 0 ended with status 1: replaced in 1 s" in started.said(), "it is tried again")
    assert "ValueError: this is no secret key" in started.said(), "why is said"
    assert supervisor.hears_nothing_of(messages.Ready, 0.5)
    home.secret_key.write_bytes(key)
    supervisor.hear(messages.Ready)
    assert greets(port)
    started.log.write_text("")  # that one was expected


def test_descriptors_do_not_grow_with_workers_that_come_and_go(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    port = serving(supervisor)
    counts = {descriptors(pid) for pid in started.workers()}
    parent = descriptors(started.pid)
    for _ in range(3):
        started.crash(started.workers()[0])
    assert greets(port)
    eventually(lambda: {descriptors(pid) for pid in started.workers()} == counts, f"as before: {counts}")
    assert descriptors(started.pid) == parent


def test_a_worker_holds_its_own_end_of_the_pipe_only(supervisor: FakeSupervisor, role: Start) -> None:
    """Or it would never see its parent's end."""
    started = role()
    serving(supervisor)
    held = [sockets_of(pid) for pid in started.workers()]
    assert not held[0] & held[1], "and nothing of its siblings"
    assert not (held[0] | held[1]) & (sockets_of(started.pid) - listening()), "and nothing of its parent's"


def sockets_of(pid: int) -> set[str]:
    """The sockets a process holds."""
    links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return {link for link in links if link.startswith("socket:")}


def listening() -> set[str]:
    """All TCP sockets that listen."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}


def test_orphans_finish_their_sessions_and_accept_no_more(supervisor: FakeSupervisor, role: Start) -> None:
    started = role()
    port = serving(supervisor)
    talk, orphans = session(port), started.workers()
    os.kill(started.pid, signal.SIGKILL)
    started.process.wait()
    eventually(lambda: sum(map(is_alive, orphans)) == 1, "who has no session ends", 3)
    (busy,) = filter(is_alive, orphans)
    eventually(lambda: not is_listening(busy), "it accepts no more", 3)
    assert talk.ask(b"NOOP")[-1].startswith(b"tag OK")
    role()
    supervisor.meet()
    supervisor.lend()
    supervisor.hear(messages.Ready)
    assert greets(port, 20)
    assert talk.ask(b"NOOP")[-1].startswith(b"tag OK")
    talk.__exit__()
    eventually(lambda: not is_alive(busy), "the last one, too", 3)


def shown(port: int) -> bytes:
    """The certificate that a worker shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((HOST, port), 20) as plain, context.wrap_socket(plain) as secured:
        return secured.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("broken", [False, True])
def test_new_certificates_for_workers_and_for_successors(
    home: Home, supervisor: FakeSupervisor, role: Start, broken: bool
) -> None:
    started = role()
    supervisor.meet()
    port = free_port(HOST)
    spec = ListenerSpec("imap", f"{HOST}:{port}", True)
    supervisor.open[spec] = [open_socket(spec.address)]
    supervisor.lend(1)
    supervisor.hear(messages.Ready)
    old = shown(port)
    chain, key = x509.self_signed("new.example.test", ["new.example.test"], x509.now_utc())
    (home.tls / "cert.pem").write_text("nonsense" if broken else chain)
    (home.tls / "key.pem").write_text(key)
    supervisor.tell(messages.ReloadCertificates())
    expected = old if broken else ssl.PEM_cert_to_DER_cert(chain)
    if broken:
        eventually(lambda: started.said().count("the certificates in use stay") == 2, "parent and worker say so")
    eventually(lambda: shown(port) == expected, "the worker shows it")
    started.crash(*started.workers())
    assert shown(port) == expected, "and so does its successor"


def test_a_certificate_is_read_again_before_a_successor_is_forked(
    home: Home, supervisor: FakeSupervisor, role: Start
) -> None:
    started = role()
    supervisor.meet()
    port = free_port(HOST)
    spec = ListenerSpec("imap", f"{HOST}:{port}", True)
    supervisor.open[spec] = [open_socket(spec.address)]
    supervisor.lend(1)
    supervisor.hear(messages.Ready)
    chain, key = x509.self_signed("new.example.test", ["new.example.test"], x509.now_utc())
    (home.tls / "cert.pem").write_text(chain)
    (home.tls / "key.pem").write_text(key)
    started.crash(*started.workers())
    assert shown(port) == ssl.PEM_cert_to_DER_cert(chain)
