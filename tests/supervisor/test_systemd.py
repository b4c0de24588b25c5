"""What systemd hears, by a real datagram socket, and what it hands back."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.messages import ListenerSpec
from appliance.sdnotify import notify
from appliance.supervisor import systemd

CLEAR = ListenerSpec("imap", "[::]:143", False)
TLS = ListenerSpec("imap", "192.0.2.1:993", True)

INHERIT = """
import os, sys
from appliance.supervisor import systemd
os.environ["LISTEN_PID"] = str(os.getpid() if sys.argv[1] == "ours" else 1)
for spec, sockets in systemd.stored(2).items():
    print(spec.service, spec.address, spec.tls, *(one.getsockname()[1] for one in sockets),
          any(one.get_inheritable() for one in sockets))
print("left", *sorted(name for name in os.environ if name.startswith("LISTEN_")))
"""


class Datagrams:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(20)
        self.socket.bind(address)

    def next(self) -> tuple[str, list[int]]:
        """The next datagram and its descriptors."""
        text, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 253)
        return text.decode(), descriptors


@pytest.fixture(params=["path", "abstract"])
def listens(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Datagrams]:
    """A systemd, in a file or without one."""
    address = str(folder / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address if request.param == "path" else f"@{address}")
    made = Datagrams(address if request.param == "path" else f"\0{address}")
    yield made
    made.socket.close()


def test_it_is_told(listens: Datagrams) -> None:
    notify("READY=1")
    assert listens.next() == ("READY=1", [])


def test_sockets_are_kept_and_forgotten_by_the_same_name(listens: Datagrams) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        systemd.store(CLEAR, [one, two])
        text, kept = listens.next()
        store, name = text.split("\n")
        assert store == "FDSTORE=1" and name.startswith("FDNAME=imap.clear.")
        assert name.removeprefix("FDNAME=").replace(".", "").isalnum() and len(name) < 255, "see sd_pid_notify_with_fds"
        ports = []
        for descriptor in kept:
            with socket.socket(fileno=descriptor) as copy:
                ports.append(copy.getsockname()[1])
        assert ports == [one.getsockname()[1], two.getsockname()[1]]
    systemd.forget(CLEAR)
    assert listens.next() == (f"FDSTOREREMOVE=1\n{name}", [])


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")


def test_a_systemd_that_is_gone_ends_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "nobody"))
    notify("STOPPING=1")
    assert "systemd could not be told STOPPING=1" in capfd.readouterr().err


@pytest.mark.parametrize("spec", [CLEAR, TLS])
def test_names_hold_all_of_an_address(spec: ListenerSpec) -> None:
    assert systemd._spec(systemd._name(spec)) == spec


def inherit(names: list[str], whose: str = "ours", said: str = "") -> tuple[list[str], list[int]]:
    """What a process makes of a listening socket for each of these names, and their ports."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = [one.getsockname()[1] for one in sockets]
    copies = [os.dup(one.fileno()) for one in sockets]

    def pass_on() -> None:
        for target, descriptor in enumerate(copies, systemd.FIRST_DESCRIPTOR):
            os.dup2(descriptor, target + 100)
        for target in range(systemd.FIRST_DESCRIPTOR, systemd.FIRST_DESCRIPTOR + len(copies)):
            os.dup2(target + 100, target)

    environment = {**os.environ, "LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": said or ":".join(names)}
    run = subprocess.run([sys.executable, "-c", INHERIT, whose], env=environment, preexec_fn=pass_on, close_fds=False,
                         capture_output=True, text=True, check=True)
    for one in sockets:
        one.close()
    for descriptor in copies:
        os.close(descriptor)
    return run.stdout.splitlines(), ports


def test_sockets_come_back() -> None:
    clear, tls = systemd._name(CLEAR), systemd._name(TLS)
    lines, ports = inherit([clear, clear, tls, tls])
    assert lines == [
        f"imap [::]:143 False {ports[0]} {ports[1]} False",
        f"imap 192.0.2.1:993 True {ports[2]} {ports[3]} False",
        "left",
    ]


def test_what_cannot_be_used_is_let_go() -> None:
    clear, tls = systemd._name(CLEAR), systemd._name(TLS)
    lines, ports = inherit(["stored", clear, tls, "imap.clear.zz", clear, ""])
    assert lines == [f"imap [::]:143 False {ports[1]} {ports[4]} False", "left"], "one of two is no share for each"


def test_sockets_of_somebody_else_are_not_ours() -> None:
    assert inherit([systemd._name(CLEAR)] * 2, whose="another's")[0] == ["left"]


def test_fewer_names_than_sockets() -> None:
    clear = systemd._name(CLEAR)
    lines, ports = inherit([clear, clear, clear], said=f"{clear}:{clear}")
    assert lines == [f"imap [::]:143 False {ports[0]} {ports[1]} False", "left"]
