"""A process whose memory and descriptors are its own: a real one, and another of the same user that is no root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

# As root it becomes somebody else: root may read everything. A change of user alone makes it undumpable, so undo that.
LOOKS = """
import ctypes, os, sys
from appliance.undumpable import become_undumpable
libc = ctypes.CDLL(None)
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
libc.prctl(4, 1, 0, 0, 0)

def looked(pid):
    try:
        os.listdir(f"/proc/{pid}/fd")
        open(f"/proc/{pid}/mem", "rb").close()
        return True
    except PermissionError:
        return False

def child_sees():
    if not (child := os.fork()):
        libc.prctl(4, 1, 0, 0, 0)  # what exec does
        os._exit(looked(os.getppid()))
    return bool(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

before = child_sees()
become_undumpable()
print(before, child_sees(), libc.prctl(3, 0, 0, 0, 0), len(os.listdir("/proc/self/fd")) > 2)
"""
SERVER = """
import ctypes, asyncio, sys
from tui.sshd import __main__ as server
class Console(server.Console):
    async def run(self):
        print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
        return 0
server.Console = Console
sys.argv = ["tui.sshd", "--home", sys.argv[1]]
sys.exit(server.main())
"""

COMMAND = """
import atexit, ctypes, sys
from appliance.cli import main
atexit.register(lambda: print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True))
main(["--help"])
"""


def said(program: str, *words: str, **environment: str) -> str:
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False,
                          env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_child_sees_it_until_it_says_so() -> None:
    assert Path(f"/proc/{os.getpid()}/mem").exists()
    assert said(LOOKS) == "True False 0 True\n"


def test_the_ssh_server_is_undumpable_before_it_does_anything(tmp_path: Path) -> None:
    assert said(SERVER, str(tmp_path)) == "0\n"


def test_an_administrators_process_keeps_what_it_has_from_another_ones() -> None:
    assert said(COMMAND, POSTERN_REMOTE="1").endswith("\n0\n")
    assert said(COMMAND, POSTERN_REMOTE="").endswith("\n1\n")
