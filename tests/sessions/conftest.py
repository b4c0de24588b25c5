"""A sessions role as a process, with a supervisor that does only what the test says."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.cluster.log import put_object
from appliance.control.node import Node
from appliance.home import Home
from tests.control.running import TESTER, new_home
from tests.services.scripted import Scripted, honest
from tests.sessions.role import FakeSupervisor, Role
from tests.supervisor.watching import of_home


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home to make copies of, where everybody is let through to an honest store."""
    with Scripted(honest()) as store:
        home = new_home(tmp_path_factory.mktemp("founded") / "h")
        with contextlib.closing(Node.open(home)) as node:
            node.change(TESTER, "as the tests want", [
                put_object("backend", "store", {"imap": f"{store.host}:{store.port}"}),
                put_object("auth", "", {"method": "backend"}),
                put_object("imap", "", {"clear_login_from": ["127.0.0.0/8"], "failover": "store"}),
                put_object("limits", "", {"drain_seconds": 2}),
            ])
        yield home.path


@pytest.fixture
def home(founded: Path) -> Iterator[Home]:
    """An initialised home, its name short enough for sockets below it."""
    folder = Path(tempfile.mkdtemp(prefix="pw-", dir="/tmp"))
    yield Home(shutil.copytree(founded, folder / "h"))
    shutil.rmtree(folder)


@pytest.fixture
def supervisor(home: Home) -> Iterator[FakeSupervisor]:
    """There before the role."""
    fake = FakeSupervisor(home)
    yield fake
    fake.close()


@pytest.fixture
def role(home: Home) -> Iterator[Callable[[], Role]]:
    """Starts the role; with the test, every process of it ends. Only a bug leaves a traceback in its log."""
    made: list[Role] = []

    def start() -> Role:
        made.append(Role(home))
        return made[-1]

    yield start
    for one in made:
        one.kill()
    for pid in of_home(home.path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for one in made:
        assert "Traceback" not in one.said(), one.said()
