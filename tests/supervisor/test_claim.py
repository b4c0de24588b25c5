"""One supervisor for one home, and what a killed one leaves is no obstacle."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.home import Home
from appliance.supervisor.claim import CannotStart, claim
from appliance.supervisor.main import main

HOLD = """
import sys, time
from pathlib import Path
from appliance.home import Home
from appliance.supervisor.claim import claim
held = claim(Home(Path(sys.argv[1])))
print("held", flush=True)
time.sleep(60)
"""


def test_the_second_is_told_who_the_first_is(home: Home) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(home.path)], stdout=subprocess.PIPE) as first:
        assert first.stdout and first.stdout.readline() == b"held\n"
        with pytest.raises(CannotStart, match=rf"^{home.path} is already served by process {first.pid}$"):
            claim(home)
        first.kill()
        first.wait()
        os.close(claim(home))


def test_the_holder_signs(home: Home) -> None:
    lock = home.run / "supervisor.lock"
    lock.write_text("1234567890")
    held = claim(home)
    assert lock.read_text() == f"{os.getpid()}\n"
    assert os.get_inheritable(held) is False
    os.close(held)


def test_the_folder_is_made_again(home: Home) -> None:
    shutil.rmtree(home.run)
    os.close(claim(home))
    assert home.run.stat().st_mode & 0o007 == 0


def test_a_link_in_its_place_is_not_followed(home: Home, tmp_path: Path) -> None:
    """The home's owner, who may write there, could have root write anywhere."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (home.run / "supervisor.lock").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        claim(home)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("external", [False, True])
def test_without_a_node_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str], external: bool) -> None:
    assert main(Home(tmp_path), external=external) == 1
    assert capfd.readouterr().err == (
        f"postern: {tmp_path} holds no node: run `postern --home {tmp_path} init` first\n"
    )


def test_a_broken_database_is_one_sentence(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("config.db-wal", "config.db-shm"):
        (home.path / name).unlink(missing_ok=True)
    home.config_db.write_bytes(b"nothing of the sort" * 100)
    assert main(home) == 1
    assert capfd.readouterr().err == f"postern: cannot serve {home.path}: file is not a database\n"


def test_a_folder_that_cannot_be_written_is_one_sentence(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(home.run)
    home.run.write_text("a file")
    assert main(home) == 1
    assert capfd.readouterr().err.startswith(f"postern: cannot serve {home.path}: ")
