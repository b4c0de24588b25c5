"""A Postern node for tests: a private home, the real commands, `postern run` as a process.

Must never import the appliance: a node is driven as an administrator's script drives it, by its commands.
"""

from __future__ import annotations

import contextlib
import copy
import imaplib
import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

import tomli_w

from tests.services.ports import eventually, free_port
from tests.services.processes import descendants

POSTERN = str(Path(sys.executable).with_name("postern"))
OTHER_SERVICES = ("smtp", "submission", "webmail", "console")


class Failed(Exception):
    """A command ended with another status than expected, or the node did."""


class Node:
    """One home. `configuration` is the TOML document that `apply` applies; tests change it as they like."""

    def __init__(self, folder: Path, name: str = "mail1", host: str = "127.0.0.1") -> None:
        self.folder, self.name, self.host = folder, name, host
        self.home = folder / "home"
        self.imap, self.imaps, self.metrics = free_port(host), free_port(host), free_port(host)
        self.pop3, self.pop3s, self.sieve = free_port(host), free_port(host), free_port(host)
        self.process: subprocess.Popen[bytes] | None = None
        self.authority: Path | None = None
        self.configuration: dict[str, Any] = {
            "site": {"domains": ["example.test"]},
            "backend": [],
            "map": [{"name": "people", "type": "sqlite"}],
            "auth": {"method": "backend"},
            "imap": {"listen": [f"{host}:{self.imap}"], "listen_tls": [f"{host}:{self.imaps}"],
                     "clear_login_from": ["127.0.0.0/8"], "map": ["people"]},
            "pop3": {"listen": [f"{host}:{self.pop3}"], "listen_tls": [f"{host}:{self.pop3s}"],
                     "clear_login_from": ["127.0.0.0/8"], "map": ["people"]},
            "sieve": {"listen": [f"{host}:{self.sieve}"], "clear_login_from": ["127.0.0.0/8"], "map": ["people"]},
            "metrics": {"listen": [f"{host}:{self.metrics}"]},
            "limits": {"failure_delay": 0, "drain_seconds": 5},
            **{service: {"enabled": False} for service in OTHER_SERVICES},
        }

    # --- commands ------------------------------------------------------------------------------------------

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """A command as typed, with this home; its status is not looked at."""
        return subprocess.run([POSTERN, "--home", str(self.home), *words], input=stdin, capture_output=True,
                              text=True, check=False, timeout=100)

    def cli(self, *words: str, stdin: str = "", status: int = 0) -> Any:
        """What a command prints as JSON (None if nothing). Raises Failed for another exit status than `status`."""
        run = self.run("--json", *words, stdin=stdin)
        if run.returncode != status:
            raise Failed(f"postern {' '.join(words)}: status {run.returncode}, not {status}\n{run.stdout}{run.stderr}")
        return json.loads(run.stdout) if run.stdout.strip() else None

    def apply(self, **changes: Any) -> Any:
        """Apply the configuration, with these tables of it replaced from now on."""
        self.configuration.update(copy.deepcopy(changes))
        file = self.folder / "postern.toml"
        file.write_text(tomli_w.dumps(self.configuration))
        return self.cli("config", "apply", str(file))

    def people(self, backends: dict[str, str]) -> None:
        """Make the map `people` say who lives where."""
        file = self.folder / "people.csv"
        file.write_text("address,backend\n" + "".join(f"{who},{where}\n" for who, where in backends.items()))
        self.cli("map", "import", "people", str(file), "--replace")

    # --- the process -----------------------------------------------------------------------------------------

    def init(self) -> None:
        """Make the home."""
        self.cli("init", "--node", self.name)

    def start(self, **environment: str) -> None:
        """`postern run` until it says `ready`, and the controller has heard of every worker: changes reach all then."""
        before = self.log().count("\nready\n")
        with (self.folder / "log").open("ab") as log:
            log.write(b"\n")
            self.process = subprocess.Popen([POSTERN, "--home", str(self.home), "run"], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env={**os.environ, **environment})
        eventually(lambda: self._alive() and self.log().count("\nready\n") > before, "the node says ready", 30)
        eventually(lambda: self.metric("postern_workers") == len(self.workers()), "the controller knows every worker")

    def metric(self, name: str) -> float:
        """A figure without labels, as Prometheus is told it; -1 if there is none."""
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.metrics}/metrics", timeout=5) as page:
                lines = page.read().decode().split("\n")
        except OSError:
            return -1
        return next((float(line.split()[1]) for line in lines if line.startswith(name + " ")), -1)

    def _alive(self) -> bool:
        if self.process and self.process.poll() is None:
            return True
        raise Failed(f"the node ended with {self.process and self.process.returncode}:\n{self.log()[-4000:]}")

    def stop(self, seconds: float = 40) -> int:
        """SIGTERM; the exit status."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        self.process = None
        return status

    def kill(self) -> None:
        """End every process of the node at once, as a power cut would."""
        if self.process:
            for pid in [self.process.pid, *descendants(self.process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def log(self) -> str:
        """All that the node has written to stderr and stdout."""
        file = self.folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def processes(self, words: str = "") -> list[int]:
        """The node's processes whose command line contains `words`, parents before children."""
        assert self.process
        return [pid for pid in [self.process.pid, *descendants(self.process.pid)] if words in command_line(pid)]

    def workers(self) -> list[int]:
        """The processes that serve sessions: children of the sessions role."""
        return [pid for parent in self.processes("appliance.sessions") for pid in descendants(parent)]

    def controller(self) -> int:
        """The controller's process."""
        return self.processes("appliance.control.server")[0]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if self.process and kind is None:
                status = self.stop()
                assert status == 0, f"ended with {status}:\n{self.log()[-4000:]}"
        finally:
            self.kill()

    # --- clients -----------------------------------------------------------------------------------------------

    def tls_context(self) -> ssl.SSLContext:
        """A client's context that verifies this node's certificate."""
        assert self.authority
        context = ssl.create_default_context(cafile=str(self.authority))
        context.check_hostname = True
        return context

    def clear(self) -> imaplib.IMAP4:
        """A connection to the clear listener, greeted."""
        return imaplib.IMAP4(self.host, self.imap, timeout=60)

    def tls(self) -> imaplib.IMAP4_SSL:
        """A connection to the TLS listener, greeted."""
        return imaplib.IMAP4_SSL(self.host, self.imaps, ssl_context=self.tls_context(), timeout=60)

    def logged_in(self, who: str, password: str) -> imaplib.IMAP4:
        """A clear session of somebody."""
        client = self.clear()
        client.login(who, password)
        return client


def command_line(pid: int) -> str:
    """The words a process was started with; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
