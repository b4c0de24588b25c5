"""A node as a test begins it and sees it from outside: its processes, also when their parent is gone; its doors."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.services.node import POSTERN, Node, command_line
from tests.services.talk import Talk


def of_home(home: Path) -> list[int]:
    """Every live process whose command line names this home."""
    words = f"--home {home}"
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if words in command_line(pid) and is_alive(pid)]


def is_alive(pid: int) -> bool:
    """Whether it runs or could: neither gone nor waiting for its parent to hear of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def parents(node: Node) -> list[int]:
    """The first processes of the sessions role's instances, the oldest first."""
    ours = node.processes("appliance.sessions")
    return [pid for pid in ours if parent_of(pid) not in ours]


def parent_of(pid: int) -> int:
    """Who begot it; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def is_listening(pid: int) -> bool:
    """Whether a process holds a listening socket that strangers reach."""
    held = set()
    with suppress(OSError):  # it is gone
        for entry in list(Path(f"/proc/{pid}/fd").iterdir()):
            with suppress(FileNotFoundError):  # closed just now
                held.add(os.readlink(entry))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[3] == "0A" and f"socket:[{row[9]}]" in held for row in rows)


def begin(node: Node) -> None:
    """`postern run`, without waiting for anything."""
    with (node.folder / "log").open("ab") as log:
        node.process = subprocess.Popen(
            [POSTERN, "--home", str(node.home), "run"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def workers(node: Node) -> list[int]:
    """The processes that serve sessions."""
    return [pid for parent in parents(node) for pid in node.processes("appliance.sessions") if parent_of(pid) == parent]


def log_out(session: Talk) -> None:
    """As a client does: the answer, then its end of the connection."""
    session.ask(b"LOGOUT")
    session.__exit__()


def greets(node: Node, times: int = 20) -> bool:
    """Whether all of many connections in a row are served: no share of the address is lost."""
    for _ in range(times):
        with Talk(node.host, node.imap) as talk:
            if not talk.line().startswith(b"* OK"):
                return False
    return True
