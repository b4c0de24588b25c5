"""The right to write a home: who waits for it, and what root must not be led to."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from appliance.control.api import Refused
from appliance.control.founding import write_file
from appliance.control.lock import InUse, take
from appliance.home import Home
from appliance.supervisor.claim import claim
from tests.control.running import Running


def test_a_controller_waits_for_a_command_that_began_before_it(home: Home) -> None:
    command = take(home)
    threading.Timer(1.0, os.close, (command,)).start()
    controller = Running(home)
    try:
        assert controller.stop()[0] == 0
    finally:
        controller.close()


def test_a_command_does_not_wait(home: Home) -> None:
    with subprocess.Popen(["flock", "--no-fork", str(home.lock), "sleep", "60"]) as other:
        while not _is_held(home):
            time.sleep(0.02)
        begun = time.monotonic()
        with pytest.raises(InUse):
            take(home)
        assert time.monotonic() - begun < 0.5
        other.kill()


def _is_held(home: Home) -> bool:
    return subprocess.run(["flock", "--nonblock", str(home.lock), "true"], check=False).returncode != 0


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """What the owner of a home would have root write into."""
    file = tmp_path / "precious"
    file.write_text("precious")
    return file


def test_no_lock_through_a_link(home: Home, precious: Path) -> None:
    for place, attempt in ((home.lock, take), (home.run / "supervisor.lock", claim)):
        place.unlink(missing_ok=True)
        place.symlink_to(precious)
        with pytest.raises((Refused, OSError)):
            attempt(home)
    assert precious.read_text() == "precious"


def test_no_file_through_a_link(tmp_path: Path, precious: Path) -> None:
    (tmp_path / ".key.new").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic link"):
        write_file(tmp_path / "key", b"other", 0o640)
    assert precious.read_text() == "precious"
