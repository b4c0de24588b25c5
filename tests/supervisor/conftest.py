"""Homes and nodes for the tests of the supervisor: one honest store, everybody fails over to it.

A node here is `postern run` on a home of the test's own; when it ends, no process of it may be left.
"""

from __future__ import annotations

import copy
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.home import Home
from tests.control.running import new_home
from tests.services.node import Node
from tests.services.ports import eventually
from tests.services.scripted import Scripted, honest
from tests.services.talk import Talk
from tests.supervisor.watching import of_home


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a name short enough for Unix sockets below it."""
    folder = Path(tempfile.mkdtemp(prefix="ps-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home to make copies of: keys take time."""
    return new_home(tmp_path_factory.mktemp("founded") / "h").path


@pytest.fixture
def home(founded: Path, folder: Path) -> Home:
    """An initialised home."""
    return Home(shutil.copytree(founded, folder / "h"))


@pytest.fixture(scope="session")
def store() -> Iterator[Scripted]:
    """Logs anybody in."""
    with Scripted(honest()) as scripted:
        yield scripted


@pytest.fixture(scope="session")
def configured(tmp_path_factory: pytest.TempPathFactory, store: Scripted) -> Node:
    """A node to make copies of: commands take time. It serves IMAP alone, so that its sockets are few."""
    node = Node(tmp_path_factory.mktemp("configured"), host="127.0.0.30")
    node.configuration["imap"]["failover"] = "store"
    node.configuration |= {service: {"enabled": False} for service in ("pop3", "sieve")}
    node.init()
    node.apply(backend=[{"name": "store", "imap": f"{store.host}:{store.port}"}])
    return node


@pytest.fixture
def node(folder: Path, configured: Node) -> Iterator[Node]:
    """A node with two workers, configured and not yet started."""
    node = copy.deepcopy(configured)
    node.folder, node.home = folder, Path(shutil.copytree(configured.home, folder / "home"))
    yield node
    for pid in of_home(node.home):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if node.process:
        node.process.wait(10)
    eventually(lambda: not of_home(node.home), "no process is left")
    assert "Traceback" not in node.log(), node.log()


@pytest.fixture
def running(node: Node) -> Node:
    """The node, ready."""
    node.start(POSTERN_WORKERS="2")
    return node


@pytest.fixture
def log_in(node: Node) -> Iterator[Callable[[], Talk]]:
    """Makes sessions on the node, closed with the test."""
    made: list[Talk] = []

    def make() -> Talk:
        talk = Talk(node.host, node.imap)
        made.append(talk)
        assert talk.line().startswith(b"* OK")
        assert talk.plain("maria@example.test", "secret")[-1].startswith(b"tag OK")
        return talk

    yield make
    for talk in made:
        talk.__exit__()
