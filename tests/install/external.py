"""What systemd is to the supervisor and the roles: keeps descriptors, hands them back, starts each by itself.

Must never do what systemd would not: the roles are strangers to the supervisor here, no children of it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

# What systemd does between fork and exec (sd_listen_fds(3)): descriptors from 3 on, and whose they are.
HAND_OVER = """
import fcntl, os, sys
names, kept = sys.argv[1], [fcntl.fcntl(int(one), fcntl.F_DUPFD, 200) for one in sys.argv[2].split(",") if one]
for place, descriptor in enumerate(kept, 3):
    os.dup2(descriptor, place)
os.closerange(3 + len(kept), 1000)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kept)), LISTEN_FDNAMES=names)
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""


class Systemd:
    """The service manager of one home. `said` is what the supervisor has told it, `store` what it keeps by name."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.said: list[str] = []
        self.store: dict[str, list[int]] = {}
        self._heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._heard.bind(str(folder / "notify"))
        self._heard.setblocking(False)
        self._running: list[subprocess.Popen[bytes]] = []

    def supervisor(self) -> subprocess.Popen[bytes]:
        """Start postern.service, with all that is in the store."""
        self.hear()
        held = [(name, str(descriptor)) for name, kept in self.store.items() for descriptor in kept]
        return self._start(
            "-c", HAND_OVER, ":".join(name for name, _ in held), ",".join(number for _, number in held),
            "-P", "-m", "appliance.supervisor.main", "--home", str(self.home),
            keep=[int(number) for _, number in held],
        )

    def role(self, module: str, instance: str) -> subprocess.Popen[bytes]:
        """Start the unit of a role."""
        return self._start("-P", "-m", module, "--home", str(self.home), "--instance", instance)

    def _start(self, *words: str, keep: list[int] | None = None) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify"), "POSTERN_WORKERS": "2"}
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen([sys.executable, *words], env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, pass_fds=keep or [], start_new_session=True)
        self._running.append(process)
        return process

    def hear(self) -> None:
        """Take in what was said until now."""
        while True:
            try:
                datagram, descriptors, _, _ = socket.recv_fds(self._heard, 4096, 253)
            except BlockingIOError:
                return
            lines = datagram.decode().split("\n")
            self.said += [line for line in lines if not line.startswith("FD")]
            fields = dict(line.split("=", 1) for line in lines)
            if "FDSTORE" in fields:
                self.store.setdefault(fields["FDNAME"], []).extend(descriptors)
            elif "FDSTOREREMOVE" in fields:
                for descriptor in self.store.pop(fields["FDNAME"]):
                    os.close(descriptor)

    def has_heard(self, line: str) -> bool:
        """Whether the supervisor has said this."""
        self.hear()
        return line in self.said

    def kept(self) -> dict[str, int]:
        """How many sockets it keeps, by name."""
        self.hear()
        return {name: len(descriptors) for name, descriptors in self.store.items()}

    def log(self) -> str:
        """What all of them have written."""
        return (self.folder / "log").read_text()

    def close(self) -> None:
        """End everything it started, and let go of what it keeps."""
        for process in self._running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._heard.close()
        for descriptor in [one for kept in self.store.values() for one in kept]:
            os.close(descriptor)
