"""A machine to install on: this one, with a network, processes and users of its own; what is written there is lost.

Needs root, and a kernel that lets root mount (a container without CAP_SYS_ADMIN does not).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from tests.services.node import command_line
from tests.services.ports import eventually
from tests.services.processes import descendants

CHECKOUT = Path(__file__).parents[2]
ENVIRONMENT = {
    "HOME": "/root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONPATH": str(CHECKOUT),  # of the tests' own programs there
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/mnt",  # it has no network but loopback
}
BOOTING = {"systemd": ["systemctl", "is-system-running", "--wait"], "reaper": ["true"]}


def wheels(folder: Path) -> Path:
    """All that the program requires, as the locked requirements say; from where pip gets it on this machine."""
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--require-hashes",
                    "-r", CHECKOUT / "requirements.txt", "-d", folder], check=True)
    return folder


class Machine:
    """Begun with `init`: `systemd`, or `reaper` for a machine without systemd."""

    def __init__(self, init: str, wheels: Path) -> None:
        assert os.geteuid() == 0, "needs root: sudo ./tests/run --long"
        self.init = init
        self.folder = Path(tempfile.mkdtemp(prefix="pm-", dir="/tmp"))
        shutil.copytree(wheels, self.folder / "wheels")
        self._begun: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        command: list[str | Path] = ["unshare", "--mount", "--net", "--uts", "--ipc", sys.executable,
                                    Path(__file__).with_name("boot.py"), "build", self.folder, CHECKOUT, self.init]
        with (self.folder / "console").open("w") as console:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                             start_new_session=True)
        eventually(lambda: self.run(*BOOTING[self.init], check=False).returncode == 0, "it has booted", 60)
        return self

    def __exit__(self, *_: object) -> None:
        if first := self._first():
            os.kill(first, signal.SIGKILL)  # takes all others with it
        self._process.wait(30)
        for process in self._begun:
            process.communicate()
        shutil.rmtree(self.folder)

    def run(self, *words: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """A command of root there. Raises AssertionError with what it wrote if it fails."""
        done = subprocess.run([*self._enter(), *words], input=stdin, capture_output=True, text=True, check=False,
                              env=ENVIRONMENT, timeout=300)
        assert done.returncode == 0 or not check, f"{words}: status {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def program(self, *words: str) -> subprocess.Popen[str]:
        """A program of the tests that runs on there until the machine ends; spoken to by its standard streams."""
        self._begun.append(subprocess.Popen([*self._enter(), sys.executable, "-m", *words], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True, bufsize=1, env=ENVIRONMENT))
        return self._begun[-1]

    def _enter(self) -> list[str]:
        first = self._first()
        return ["nsenter", "--target", str(first), "--all", "--root", "--wd"] if first else ["false"]

    def _first(self) -> int:
        """Its process 1; 0 while there is none."""
        return next((pid for pid in descendants(self._process.pid) if _is_first(pid)), 0)


def _is_first(pid: int) -> bool:
    """Whether it is process 1 of the machine, and has become what it shall be."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has ended
        return False
    ids = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
    return len(ids) > 2 and ids[-1] == "1" and " begin " not in command_line(pid)
