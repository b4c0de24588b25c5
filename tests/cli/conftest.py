"""Commands as an administrator types them, on a private home whose node is stopped.

Most run in this process, which starts twenty times faster; `process` runs the program itself.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance.cli import root, to_front

Ran = subprocess.CompletedProcess[str]


class Postern:
    """The program, with one home."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *words: str, stdin: str = "") -> Ran:
        """One command line; what came of it."""
        runner = CliRunner(env={"POSTERN_HOME": str(self.home)}, catch_exceptions=False)
        result = runner.invoke(root, to_front(words), input=stdin, prog_name="postern")
        return Ran(words, result.exit_code, result.stdout, result.stderr)

    def process(self, *words: str, stdin: str = "") -> Ran:
        """The same by a process of its own."""
        command = [sys.executable, "-m", "appliance.cli", *words]
        environment = {**os.environ, "POSTERN_HOME": str(self.home)}
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, env=environment, timeout=60
        )

    def text(self, *words: str, stdin: str = "", status: int = 0) -> str:
        """Standard output of a command that ends with this status; of one that fails, standard error."""
        ran = self(*words, stdin=stdin)
        assert ran.returncode == status, f"{words}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return ran.stderr if status else ran.stdout

    def json(self, *words: str, stdin: str = "", status: int = 0) -> Any:
        """The JSON that a command prints."""
        ran = self("--json", *words, stdin=stdin)
        assert ran.returncode == status, f"{words}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return json.loads(ran.stdout)

    def toml(self, text: str) -> str:
        """The path of a file with this text, beside the home."""
        path = self.home.parent / "postern.toml"
        path.write_text(text)
        return str(path)


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as `init` leaves it, to be copied."""
    home = tmp_path_factory.mktemp("founded") / "home"
    ran = Postern(home).process("init", "--node", "mail1")
    assert ran.returncode == 0, ran.stderr
    return home


@pytest.fixture
def postern(founded: Path, tmp_path: Path) -> Postern:
    """A node of its own for each test."""
    shutil.copytree(founded, tmp_path / "home")
    return Postern(tmp_path / "home")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """Writes a file of this name, answers with its path."""

    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write
