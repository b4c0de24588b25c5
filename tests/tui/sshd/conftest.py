"""A home for the SSH server, and a world around it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.home import Home
from tests.control.running import new_home
from tests.tui.sshd.world import World


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home to make copies of: keys take time."""
    return new_home(tmp_path_factory.mktemp("founded") / "h").path


@pytest.fixture
def world(founded: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A home, a scripted controller, a key of maria's."""
    folder = Path(tempfile.mkdtemp(prefix="pc-", dir="/tmp"))
    world = World(Home(Path(shutil.copytree(founded, folder / "h"))), monkeypatch)
    yield world
    world.controller.close()
    shutil.rmtree(folder)
