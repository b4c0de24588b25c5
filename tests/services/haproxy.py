"""A real load balancer for tests: HAProxy on loopback, that passes TCP on and sends a PROXY header."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Self

from tests.services.ports import eventually, free_port

CONFIGURATION = """
global
  stats socket {folder}/haproxy.sock
defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen mail
  bind {host}:{port}
  source {source}
  server node {target} {options}
"""


class HAProxy:
    """One listener before one server, connecting from `source`; `options` as on HAProxy's `server` line."""

    def __init__(self, folder: Path, target: str, options: str, *, source: str, host: str = "127.0.0.1") -> None:
        self.host, self.port = host, free_port(host)
        self.file, self.control = folder / "haproxy.cfg", folder / "haproxy.sock"
        self.file.write_text(CONFIGURATION.format(
            folder=folder, host=host, port=self.port, source=source, target=target, options=options))
        self.process: subprocess.Popen[bytes] | None = None

    def state(self) -> str:
        """What HAProxy thinks of the server: "UP", "DOWN", "no check"."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.control))
            control.sendall(b"show stat\n")
            lines = control.makefile().read().splitlines()
        column = lines[0].split(",").index("status")
        return next(line.split(",")[column] for line in lines if line.startswith("mail,node,"))

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(["haproxy", "-db", "-f", str(self.file)], stdin=subprocess.DEVNULL)
        eventually(self.control.exists, "HAProxy runs")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(10)
