"""One loop over signals, role links and a half-second clock: everything the supervisor does, in order.

Must never stop while a role could still be served. Its sockets outlive every role: the successor of a role that died
is handed the same ones, with what waits in their queues.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import math
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Final

from appliance import messages
from appliance.home import Home
from appliance.routing.services import listening
from appliance.supervisor import systemd
from appliance.supervisor.links import Links
from appliance.supervisor.listeners import Listeners, copies
from appliance.supervisor.roles import ROLES, Instance, start
from db.connect import reader, writer
from db.meta import node_name
from db.objects import read_objects

TICK: Final = 0.5
RETRY_LISTENERS: Final = 2.0
STOP_MARGIN: Final = 5.0  # beyond the drain limit, before a role is killed
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD)


def say(text: str) -> None:
    """One line for the administrator who started us, or the journal."""
    print(text, file=sys.stderr, flush=True)


class CannotStart(Exception):  # noqa: N818
    """Why there is nothing to supervise: one sentence."""


class Supervisor:
    """A node's processes and their listening sockets."""

    def __init__(self, home: Home, roles: Sequence[str], *, external: bool = False) -> None:
        self.home = home
        self.roles = roles
        self.external = external  # systemd starts the roles; we only hand out sockets
        self.lock = _lock(home)
        # Without a writer's connection held open, read-only users of a WAL database fail once the writer has closed.
        self.keeper = writer(home.config_db)
        self.keeper.execute("SELECT count(*) FROM meta").fetchone()
        with contextlib.closing(reader(home.node_db)) as node:
            self.node = node_name(node)
        self.listeners = Listeners(copies(), open=systemd.stored())
        self.instances: list[Instance] = []
        self.due: list[tuple[float, str, int]] = []  # when to start which role again, after how many failures
        self.serial = 0
        self.announced = False
        self.stopping_until = 0.0
        self.status = 0
        self.retry_at = 0.0
        self.selector = selectors.DefaultSelector()
        self.links = Links(home, self.selector, self.instances, self._obey)

    # --- the loop ---------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Until told to stop. Returns the exit status."""
        wake, notified = socket.socketpair()
        for end in (wake, notified):
            end.setblocking(False)
        signal.set_wakeup_fd(notified.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        self.selector.register(wake, selectors.EVENT_READ, self._signals)
        self._listen()
        if not self.external:
            for role in self.roles:
                self._start(role)
        while not self._is_over():
            for key, _ in self.selector.select(TICK):
                key.data(key.fileobj)
            self._tick(time.monotonic())
        self.home.supervisor_sock.unlink(missing_ok=True)
        return self.status

    def _signals(self, wake: socket.socket) -> None:
        for number in wake.recv(64):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            elif number == signal.SIGHUP:
                self.links.tell(messages.ReloadCertificates())
            elif number == signal.SIGUSR2 and not self.external:
                self._upgrade()

    def _tick(self, now: float) -> None:
        for instance in list(self.instances):
            if instance.process is not None and instance.process.poll() is not None:
                self._ended(instance, instance.process.returncode, now)
            elif instance.is_silent(now):
                say(f"{instance.name} has not answered for {now - instance.heard:.0f} s: replaced")
                instance.kill()
        for due in [due for due in self.due if due[0] <= now]:
            self.due.remove(due)
            self._start(due[1], due[2])
        if self.listeners.problems and now >= self.retry_at:
            self._listen()
        if self.stopping_until:
            self._go_on_stopping(now)

    # --- listening sockets ------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Make the open sockets equal to what the configuration says now, and hand out what changed."""
        before, known = dict(self.listeners.open), set(self.listeners.problems.values())
        if self.listeners.want(self._wanted()):
            for role in {instance.role for instance in self.instances}:
                self._hand_out(role)
        for spec in before.keys() - self.listeners.open.keys():
            systemd.forget(spec)
        for spec in self.listeners.open.keys() - before.keys():
            systemd.store(spec, self.listeners.open[spec])
        for problem in self.listeners.problems.values():
            if problem not in known:
                say(f"{problem}; trying again every {RETRY_LISTENERS:.0f} s")
        self.retry_at = time.monotonic() + RETRY_LISTENERS
        self._announce()

    def _wanted(self) -> list[messages.ListenerSpec]:
        if self.stopping_until and not self.external:  # a client must be refused, not wait in a queue nobody serves
            return []
        served = frozenset[str]().union(*(ROLES[role].services for role in self.roles))
        with contextlib.closing(reader(self.home.config_db)) as connection:
            specs = listening(read_objects(connection), self.node)
        return [spec for spec in specs if spec.service in served]

    def _hand_out(self, role: str, only: Instance | None = None) -> None:
        if not ROLES[role].services:
            return
        specs, sockets = self.listeners.of(ROLES[role].services)
        most = max(messages.MAX_DESCRIPTORS // self.listeners.copies, 1)
        parts = [specs[at : at + most] for at in range(0, len(specs), most)] or [[]]
        for instance in self.instances:
            if instance.role != role or only not in (None, instance):
                continue
            for number, part in enumerate(parts):
                first = number * most * self.listeners.copies
                lent = sockets[first : first + len(part) * self.listeners.copies]
                more = number + 1 < len(parts)
                message = messages.Listeners(part, self.listeners.copies, more)
                instance.tell(message, [listener.fileno() for listener in lent])

    # --- roles ------------------------------------------------------------------------------------------------

    def _start(self, role: str, failures: int = 0) -> None:
        self.serial += 1
        self.instances.append(start(role, f"{role}-{self.serial}", self.home, failures))

    def _upgrade(self) -> None:
        """New processes of the installed release beside the old ones, which drain once these are ready."""
        for role in self.roles:
            if ROLES[role].drains:
                self._start(role)

    def _ended(self, instance: Instance, status: int, now: float) -> None:
        self.instances.remove(instance)
        self.links.hang_up(instance)
        if self.stopping_until or instance.draining:
            return
        if not instance.ready and not self.announced and status == 1:
            say(f"{instance.name} could not start")
            self.status = 1
            self._stop()
            return
        pause = instance.pause_before_next(now)
        say(f"{instance.name} ended with status {status}: starting it again in {pause:g} s")
        self.due.append((now + pause, instance.role, 0 if not pause else instance.failures + 1))

    def _obey(self, instance: Instance, message: messages.FromRole) -> None:
        instance.heard = time.monotonic()
        if isinstance(message, messages.Hello):
            self._hand_out(instance.role, instance)
        elif isinstance(message, messages.Ready):
            instance.ready = True
            self._drain_older(instance)
            self._announce()
        elif isinstance(message, messages.ListenersWanted):
            problems = self.listeners.try_out(message.listeners)
            instance.tell(messages.ListenersPossible(message.request, problems))
        elif isinstance(message, messages.ConfigurationChanged):
            self._listen()
            instance.tell(messages.ListenersOpen(message.revision, list(self.listeners.problems.values())))

    def _drain_older(self, instance: Instance) -> None:
        for other in self.instances[: self.instances.index(instance)]:
            if other.role == instance.role and not other.draining:
                other.draining = True
                other.tell(messages.Drain(math.inf))  # as long as its sessions last

    def _announce(self) -> None:
        """Say `ready`, once, when every listener is open and every role serves."""
        serving = {instance.role for instance in self.instances if instance.ready}
        if self.announced or self.listeners.problems or not serving.issuperset(self.roles):
            return
        self.announced = True
        say("ready")
        systemd.notify("READY=1")

    # --- the end ----------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        if self.stopping_until:  # asked twice: no more waiting
            for instance in self.instances:
                instance.kill()
            return
        systemd.notify("STOPPING=1")
        with contextlib.closing(reader(self.home.config_db)) as connection:
            seconds = float(read_objects(connection).get("limits")["drain_seconds"])
        self.stopping_until = time.monotonic() + seconds + STOP_MARGIN
        self.due.clear()
        self._listen()
        for instance in self.instances:
            if ROLES[instance.role].drains:
                instance.signal(signal.SIGTERM)

    def _go_on_stopping(self, now: float) -> None:
        if now > self.stopping_until:
            for instance in self.instances:
                instance.kill()
        if not any(ROLES[instance.role].drains for instance in self.instances):
            for instance in self.instances:  # the controller goes last: sessions report to it to their end
                instance.signal(signal.SIGTERM)

    def _is_over(self) -> bool:
        return bool(self.stopping_until) and (self.external or not self.instances)


def _lock(home: Home) -> int:
    """The right to supervise this home. Raises CannotStart naming who has it."""
    if not home.config_db.exists():
        raise CannotStart(f"{home.path} holds no node: run `postern --home {home.path} init` first")
    home.run.mkdir(mode=0o755, exist_ok=True)
    descriptor = os.open(home.run / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        pid = os.read(descriptor, 32).decode() or "of another user"
        raise CannotStart(f"{home.path} is already served by process {pid}") from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def main(home: Home, roles: Sequence[str] = (), *, external: bool = False) -> int:
    """Supervise the named roles (default: all). Returns the exit status."""
    try:
        return Supervisor(home, list(roles) or list(ROLES), external=external).run()
    except CannotStart as error:
        say(f"postern: {error}")
        return 1


def _unit() -> int:
    """What postern.service runs: the roles are units of their own."""
    parser = argparse.ArgumentParser(prog="postern-supervisor")
    parser.add_argument("--home")
    return main(Home.find(parser.parse_args().home), external=True)


if __name__ == "__main__":
    sys.exit(_unit())
