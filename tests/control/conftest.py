"""Homes and controllers for the tests of the controller."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.home import Home
from tests.control.running import FakeWorker, Running, new_home


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home to make copies of: keys take time."""
    return new_home(tmp_path_factory.mktemp("founded") / "h").path


@pytest.fixture
def home(founded: Path) -> Iterator[Home]:
    """An initialised home, its name short enough for sockets below it."""
    folder = Path(tempfile.mkdtemp(prefix="pc-", dir="/tmp"))
    yield Home(shutil.copytree(founded, folder / "h"))
    shutil.rmtree(folder)


@pytest.fixture
def controller(home: Home) -> Iterator[Running]:
    """A controller that runs on it."""
    running = Running(home)
    yield running
    running.close()


@pytest.fixture
def worker(controller: Running) -> Iterator[Callable[[int], FakeWorker]]:
    """Makes workers by their slot."""
    made: list[FakeWorker] = []

    def make(slot: int = 0) -> FakeWorker:
        made.append(FakeWorker(controller.home, slot))
        return made[-1]

    yield make
    for one in made:
        one.close()
