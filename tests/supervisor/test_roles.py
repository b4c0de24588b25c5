"""Under whom a role runs, who may speak as one, and how its end and its successor are paced."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from appliance import messages, packets
from appliance.home import Home
from appliance.supervisor import roles
from appliance.supervisor.roles import ROLES, Instance, allowed_users
from tests.services.ports import eventually
from tests.supervisor.watching import is_alive

USERS = {"postern": 501, "postern-sessions": 502}
HOLDS_A_CHILD = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"


def home_of(owner: int) -> Home:
    """A home that belongs to this user."""
    path = SimpleNamespace(stat=lambda: SimpleNamespace(st_uid=owner, st_gid=owner + 1000))
    return Home(cast(Path, path))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with the users of an installation, and we are root on it."""

    def getpwnam(name: str) -> Any:
        if name not in USERS:
            raise KeyError(name)
        return SimpleNamespace(pw_uid=USERS[name], pw_gid=USERS[name])

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    monkeypatch.setattr(os, "getgrouplist", lambda name, group: [group, USERS["postern"]])
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def identity(role: str, home: Home) -> dict[str, object]:
    """Under whom it runs."""
    return roles._identity(ROLES[role], home)


def test_an_installed_node_runs_each_role_as_its_own_user(installed: None) -> None:
    home = home_of(USERS["postern"])
    assert identity("sessions", home) == {"user": 502, "group": 502, "extra_groups": [502, 501]}
    assert identity("controller", home) == {"user": 501, "group": 501, "extra_groups": [501, 501]}


def test_a_home_of_somebody_else_is_run_as_its_owner(installed: None) -> None:
    for role in ROLES:
        assert identity(role, home_of(1000)) == {"user": 1000, "group": 2000, "extra_groups": []}


def test_without_installed_users_the_owner_runs_all(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(USERS, "postern-sessions")
    assert identity("sessions", home_of(USERS["postern"]))["user"] == USERS["postern"]


def test_nobody_but_root_changes_users(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert identity("sessions", home_of(0)) == {}
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert identity("sessions", home_of(USERS["postern"])) == {}


def test_who_may_speak_as_a_role(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 77)
    assert allowed_users(home_of(1000)) == {0, 77, 1000, 501, 502}


def test_a_role_begins_with_its_name_and_in_a_session_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "appliance").mkdir()
    (tmp_path / "appliance" / "__init__.py").write_text("raise SystemExit(99)  # what lies about here is no module")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(ROLES, "echo", roles.Role("appliance.control.server", "nobody", frozenset()))
    instance = roles.start("echo", "echo-1", Home(tmp_path), failures=3)
    process = instance.process
    assert process and process.args[-2:] == ["--instance", "echo-1"]  # type: ignore[index]
    assert os.getsid(process.pid) == process.pid and instance.failures == 3
    assert process.wait(30) == 1, "there is no node; but it was ours that said so"


def test_pauses_grow_and_are_forgotten_by_who_lived_long() -> None:
    now = time.monotonic()
    pauses = [Instance("controller", "c", failures=number, started=now).pause_before_next(now) for number in range(7)]
    assert pauses == [0.2, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0]
    assert Instance("controller", "c", failures=5, started=now - 31).pause_before_next(now) == 0


@pytest.mark.parametrize("everything", [False, True])
def test_killing_one_or_all(everything: bool) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDS_A_CHILD], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout
    child = int(process.stdout.readline())
    instance = Instance("sessions", "s", process)
    (instance.kill_all if everything else instance.kill)()
    assert process.wait(10) == -signal.SIGKILL
    process.stdout.close()
    if everything:
        eventually(lambda: not is_alive(child), "its child is dead, too")
    else:
        assert is_alive(child)
        os.kill(child, signal.SIGKILL)
    instance.kill()
    instance.kill_all()  # harmless: it is gone


def test_one_of_systemd_is_not_ours_to_kill() -> None:
    instance = Instance("sessions", "s")
    instance.kill()
    instance.kill_all()


def test_what_cannot_be_told_ends_the_link() -> None:
    ours, theirs = packets.pair()
    instance = Instance("sessions", "s", link=ours)
    for _ in range(5000):
        instance.tell(messages.Drain(1.0))
    with pytest.raises(BrokenPipeError):
        ours.send(b"x")
    while received := packets.receive(theirs):
        if not received[0]:
            break
    assert received == (b"", [])
    for end in (ours, theirs):
        end.close()
    Instance("sessions", "s").tell(messages.Drain(1.0))  # nobody is there yet
    assert isinstance(ours, socket.socket)
