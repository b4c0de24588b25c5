"""The roles of a node, as a table, and one running instance of a role.

Must never know what a role does. A role is a process of its own that speaks `messages` to the supervisor; as a child
of `postern run` it is started here, under systemd it is a unit of its own that only asks for its sockets.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from appliance import messages, packets
from appliance.home import Home

SILENT_SECONDS: Final = 10  # without an Alive: hung
STARTING_SECONDS: Final = 120  # before the first word: a controller may have a large database to bring up to date
RESTART_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
SETTLED_SECONDS: Final = 30  # a role that lived this long starts again without delay


@dataclass(frozen=True, slots=True)
class Role:
    """What the supervisor knows of a role."""

    module: str
    user: str  # under whom it runs where the users of the installation exist
    services: frozenset[str]  # whose listening sockets it is handed
    drains: bool = False  # has sessions to finish
    environment: tuple[tuple[str, str], ...] = ()  # beside what we have ourselves


OWNER: Final = "postern"  # of the home of an installed node
ROLES: Final = {
    "controller": Role("appliance.control.server", OWNER, frozenset()),
    "sessions": Role(
        "appliance.sessions",
        "postern-sessions",
        frozenset({"imap", "pop3", "sieve"}),
        drains=True,
        # No fast bins: OpenSSL's large buffers make malloc empty them each time, which a log-in under TLS pays for.
        environment=(("GLIBC_TUNABLES", "glibc.malloc.mxfast=0"),),
    ),
    "console": Role("tui.sshd", "postern-console", frozenset({"console"}), drains=True),
}


@dataclass(slots=True)
class Instance:
    """One process of a role, from its start (or its Hello) to its end."""

    role: str
    name: str
    process: subprocess.Popen[bytes] | None = None
    link: socket.socket | None = None
    ready: bool = False
    draining: bool = False
    failures: int = 0  # in a row, of the instances before it
    started: float = field(default_factory=time.monotonic)
    heard: float = 0.0  # when it last spoke; 0: it has not yet

    def tell(self, message: messages.Message, descriptors: Sequence[int] = ()) -> None:
        """One message, with descriptors; to nobody while it has not said Hello."""
        if self.link is not None and not packets.send(self.link, message, descriptors):
            with suppress(OSError):  # it missed something: let it come back, and be told everything anew
                self.link.shutdown(socket.SHUT_RDWR)

    def is_silent(self, now: float) -> bool:
        """Whether it should have said something long ago."""
        limit = now - self.heard > SILENT_SECONDS if self.heard else now - self.started > STARTING_SECONDS
        return limit and self.process is not None

    def forgive(self, now: float) -> None:
        """Its silence says nothing: we did not listen."""
        if self.heard:
            self.heard = now

    def kill(self) -> None:
        """End its first process at once; workers of that one finish their sessions."""
        self.signal(signal.SIGKILL)

    def kill_all(self) -> None:
        """End it with everything it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to a child of ours; one that systemd started is systemd's to stop."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def pause_before_next(self, now: float) -> float:
        """Seconds to wait before a successor is started."""
        return 0.0 if now - self.started > SETTLED_SECONDS else RESTART_SECONDS[min(self.failures, 4)]


def start(role: str, name: str, home: Home, failures: int = 0) -> Instance:
    """Start a role as a child of this process. Raises OSError, subprocess.SubprocessError."""
    # -P: no module is taken from the folder that the administrator happens to be in.
    command = [sys.executable, "-P", "-m", ROLES[role].module, "--home", str(home.path), "--instance", name]
    identity = _identity(ROLES[role], home)
    # A session of its own: Ctrl+C reaches the supervisor only, which drains. The roles learn of it from there.
    process = subprocess.Popen(  # type: ignore[call-overload]
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**dict(ROLES[role].environment), **os.environ},
        **identity,
    )
    return Instance(role, name, process, failures=failures)


def _identity(role: Role, home: Home) -> dict[str, object]:
    """Under whom a role runs when root starts it: its own user on an installed node, else the owner of the home."""
    owner = home.path.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return {}
    installed, user = _user(OWNER), _user(role.user)
    if installed is None or user is None or owner.st_uid != installed.pw_uid:
        return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": os.getgrouplist(role.user, user.pw_gid)}


def allowed_users(home: Home) -> frozenset[int]:
    """Whose processes may speak as a role: root, this one, the home's owner, the roles' users."""
    roles = {user.pw_uid for role in ROLES.values() if (user := _user(role.user))}
    return frozenset({0, os.geteuid(), home.path.stat().st_uid} | roles)


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
