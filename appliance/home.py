"""Where a node keeps its files: every path under HOME, once.

Must never open, create or change anything: it only names places.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT = Path("/var/lib/postern")


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds one node's state."""

    path: Path

    @classmethod
    def find(cls, given: str | None = None) -> Home:
        """The home named by `--home`, else by POSTERN_HOME, else the default one."""
        return cls(Path(given or os.environ.get("POSTERN_HOME") or DEFAULT).absolute())

    @property
    def config_db(self) -> Path:
        """Configuration and replicated data."""
        return self.path / "config.db"

    @property
    def node_db(self) -> Path:
        """This node's own: its name, history, statistics."""
        return self.path / "node.db"

    @property
    def control_sock(self) -> Path:
        """Where commands and the terminal UI speak to the controller."""
        return self.path / "control.sock"

    @property
    def run(self) -> Path:
        """Sockets between this node's own processes."""
        return self.path / "run"

    @property
    def supervisor_sock(self) -> Path:
        """Where roles ask the supervisor for their listening sockets."""
        return self.run / "supervisor.sock"

    @property
    def news_sock(self) -> Path:
        """Where workers and the controller exchange news."""
        return self.run / "news.sock"

    @property
    def lock(self) -> Path:
        """Held by the only writer of this home; contains its pid."""
        return self.path / "lock"

    @property
    def secret_key(self) -> Path:
        """The key that secrets in config.db are encrypted with; the same on all nodes of a cluster."""
        return self.path / "secret.key"

    @property
    def tls(self) -> Path:
        """The self-signed certificate made by `init`."""
        return self.path / "tls"

    @property
    def ssh(self) -> Path:
        """The console's host key."""
        return self.path / "ssh"

    @property
    def drop(self) -> Path:
        """Files that administrators sent by scp or SFTP."""
        return self.path / "drop"

    @property
    def staging(self) -> Path:
        """Files of imports under way; emptied at start."""
        return self.path / "staging"
