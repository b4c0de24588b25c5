"""The control socket: one writer, bounded requests, clients that vanish, a disk that is full."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from appliance.cluster.log import put_object
from appliance.control.api import Refused
from appliance.control.api.accounts import AccountAdd, AccountList
from appliance.control.api.backends import BackendList
from appliance.control.api.live import LogTail, Status
from appliance.control.client import Client
from appliance.control.incoming import REQUEST
from appliance.control.node import By, Node
from appliance.control.reception import CONVERSATIONS
from appliance.home import Home
from tests.control.running import Running, new_home, raw, read_all
from tests.services.ports import eventually


def test_a_second_controller_is_refused_with_the_pid_of_the_first(controller: Running) -> None:
    command = [sys.executable, "-m", "appliance.control.server", "--home", str(controller.home.path)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert second.returncode == 1
    assert f"in use by process {controller.process.pid}" in second.stderr
    assert second.stderr.count("\n") == 1


def test_sigterm_ends_it_with_status_0_and_takes_the_socket_away(controller: Running) -> None:
    assert controller.stop() == (0, "")
    assert not controller.home.control_sock.exists()


def test_a_stopped_node_answers_in_the_process_of_the_command(home: Home) -> None:
    with Client.connect(home) as client:
        assert client.ask(Status()).value["state"] == "stopped"


def test_a_second_writer_of_a_stopped_node_is_refused_with_the_pid_of_the_first(home: Home) -> None:
    program = f"""
import sys, time
from appliance.control.client import Client
from appliance.control.incoming import REQUEST
from appliance.home import Home
with Client.connect(Home.find({str(home.path)!r})):
    print("here", flush=True)
    time.sleep(60)
"""
    first = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert first.stdout is not None and first.stdout.readline() == b"here\n"
        with pytest.raises(Refused, match=f"in use by process {first.pid}"):
            Client.connect(home)
    finally:
        first.kill()
        first.communicate()


def test_a_killed_controller_leaves_nothing_that_is_in_the_way(controller: Running) -> None:
    controller.process.kill()
    controller.process.wait()
    assert controller.home.control_sock.exists()
    again = Running(controller.home)
    try:
        state = eventually(lambda: _state(controller.home), "the new controller answers")
        assert state == "running"
    finally:
        again.close()


def _state(home: Home) -> str:
    with contextlib.suppress(Refused), Client.connect(home) as client:
        state: str = client.ask(Status()).value["state"]
        return state if state == "running" else ""
    return ""


def test_no_home_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"holds no node: run `postern --home .* init` first"):
        Client.connect(Home(tmp_path))


def test_several_requests_on_one_connection(controller: Running) -> None:
    with Client.connect(controller.home) as client:
        assert client.ask(Status()).value["node"] == "mail1"
        client.ask(AccountAdd("maria@example.test", "s3cret"))
        assert [row["address"] for row in client.ask(AccountList()).value] == ["maria@example.test"]


@pytest.mark.parametrize(
    "line", [b"garbage", b"{}", b"[1]", b'{"do": "nothing known"}', b"\xff\xfe", b'{"do": "status", "x": 1}']
)
def test_what_is_no_request_is_refused_and_the_conversation_goes_on(controller: Running, line: bytes) -> None:
    with raw(controller.home) as connection:
        connection.sendall(line + b"\n")
        lines = connection.makefile("rb")
        answer = json.loads(lines.readline())
        assert (answer["is"], answer["status"]) == ("failed", 2)
        connection.sendall(b'{"do": "status"}\n')
        assert json.loads(lines.readline())["is"] == "done"


def test_a_request_without_end_is_cut_off_at_its_bound(controller: Running) -> None:
    with raw(controller.home) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(b"x" * 3 * REQUEST)
        assert f"{REQUEST} octets at most".encode() in read_all(connection)
    assert controller.ask(Status()).value["node"] == "mail1"


def test_more_than_one_descriptor_is_refused(controller: Running) -> None:
    with raw(controller.home) as connection, open("/dev/null", "rb") as null:
        socket.send_fds(connection, [b'{"do": "status"}\n'], [null.fileno()] * 3)
        assert b"one file at most" in read_all(connection)
    assert _descriptors(controller) == eventually(lambda: _descriptors(controller), "counted")


def test_conversations_are_bounded_and_the_next_one_is_told(controller: Running) -> None:
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(raw(controller.home)) for _ in range(CONVERSATIONS + 1)]
        assert f"{CONVERSATIONS} conversations".encode() in read_all(many[-1])
    assert eventually(lambda: _state(controller.home), "a place is free again") == "running"


def _descriptors(controller: Running) -> int:
    return len(list(Path(f"/proc/{controller.process.pid}/fd").iterdir()))


def test_a_client_that_vanishes_midway_ends_its_stream_and_leaks_nothing(controller: Running) -> None:
    controller.ask(Status())
    before = eventually(lambda: _descriptors(controller), "counted")
    for _ in range(5):
        with raw(controller.home) as connection:
            connection.sendall(msgspec.json.encode(LogTail()) + b"\n")
            assert b"following" in connection.recv(65536)
    eventually(lambda: _descriptors(controller) <= before, "the streams' descriptors are closed")
    assert controller.stop() == (0, "")


def test_a_conversation_under_way_does_not_hold_up_the_end(controller: Running) -> None:
    with raw(controller.home) as connection:
        connection.sendall(msgspec.json.encode(LogTail()) + b"\n")
        connection.recv(100)
        began = time.monotonic()
        assert controller.stop()[0] == 0
        assert time.monotonic() - began < 3


def test_a_client_that_does_not_read_stops_only_itself(controller: Running) -> None:
    with raw(controller.home) as connection:
        request = msgspec.json.encode(BackendList()) + b"\n"
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(100_000):
                connection.send(request * 100)
        began = time.monotonic()
        assert controller.ask(Status()).value["node"] == "mail1"
        assert time.monotonic() - began < 2


def test_strangers_may_not_speak(controller: Running) -> None:
    """A process of another user, the socket's own mode out of the way."""
    for path in (controller.home.path.parent, controller.home.path):
        path.chmod(0o755)
    controller.home.control_sock.chmod(0o666)
    program = f"""
import os, socket
os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX)
s.connect({str(controller.home.control_sock)!r})
print(s.recv(1000).decode())
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20)
    assert "not root, nor the owner" in said.stdout


def test_a_damaged_page_is_told_as_what_it_is(home: Home) -> None:
    with contextlib.closing(Node.open(home)) as node, node.exclusive() as connection:
        connection.execute("CREATE TABLE wasted AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                           " LIMIT 3000) SELECT i, hex(randomblob(50)) FROM n")  # fmt: skip
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'account'").fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with home.config_db.open("r+b") as file:
        file.seek(4096 * (root - 1))
        file.write(b"\xff" * 4096)
    malformed = r"not done: .+: database disk image is malformed"
    with Client.connect(home) as client, pytest.raises(Refused, match=malformed):
        client.ask(AccountList())


def test_a_bug_in_a_handler_is_logged_without_values_and_answered(home: Home) -> None:
    """The account table is gone: a handler fails in a way that nobody foresaw."""
    running = Running(home)
    try:
        with contextlib.closing(Node.open(home)) as node, node.exclusive() as connection:
            connection.execute("ALTER TABLE account RENAME TO elsewhere")
        with pytest.raises(Refused, match="internal error"):
            running.ask(AccountAdd("maria@example.test", "s3cret-value"))
        status, log = running.stop()
        assert status == 0
        assert "bug in AccountAdd: OperationalError: no such table: account" in log
        assert "s3cret-value" not in log
    finally:
        running.close()


def test_changes_of_many_threads_are_all_made(controller: Running) -> None:
    addresses = [f"user{number}@example.test" for number in range(12)]
    threads = [threading.Thread(target=controller.ask, args=(AccountAdd(one, "pw"),)) for one in addresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row["address"] for row in controller.ask(AccountList()).value] == sorted(addresses)


def test_a_conflict_names_whose_change_it_met(home: Home) -> None:
    with contextlib.closing(Node.open(home)) as node:
        node.change(By("anna", "desk"), "add backend mail7", [put_object("backend", "mail7", {"imap": "h:143"}, 0)])
        with pytest.raises(Refused, match="exists already: by anna") as refused:
            node.change(By("otto", "desk"), "add it too", [put_object("backend", "mail7", {"imap": "i:143"}, 0)])
        assert refused.value.status == 1
        assert node.objects().get("backend", "mail7")["imap"] == "h:143"


def test_a_full_disk_refuses_a_change_and_leaves_nothing_half_done() -> None:
    """A file system of its own, filled to the brim."""
    disk = Path("/tmp") / f"pc-disk-{os.getpid()}"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=True)
    try:
        running = Running(new_home(disk / "h"))
        try:
            _fill(disk / "ballast")
            with pytest.raises(Refused, match=r"is full or failing.*nothing was changed"):
                for number in range(200):
                    running.ask(AccountAdd(f"user{number}@example.test", "pw"))
            before = _addresses(running)
            (disk / "ballast").unlink()
            running.ask(AccountAdd("last@example.test", "pw"))
            assert _addresses(running) == sorted([*before, "last@example.test"])
            assert running.stop()[0] == 0
        finally:
            running.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
        disk.rmdir()


def _addresses(running: Running) -> list[str]:
    return [row["address"] for row in running.ask(AccountList()).value]


def _fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"x" * 4096)


def test_a_signal_at_any_moment_of_the_start_leaves_the_home_usable(home: Home) -> None:
    for delay in (0.05, 0.3, 0.6):
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance.control.server", "--home", str(home.path)], stderr=subprocess.DEVNULL
        )
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with Client.connect(home) as client:
        assert client.ask(Status()).value["node"] == "mail1"
