"""One loop over signals, role links and a clock: everything the supervisor does, in order.

Must never stop while a role could still be served. Its sockets outlive every role: the successor of a role that died
is handed the same ones, with what waits in their queues.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import math
import os
import resource
import selectors
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Final

from appliance import messages
from appliance.home import Home
from appliance.sdnotify import notify
from appliance.supervisor.claim import CannotStart, claim
from appliance.supervisor.lender import Lender
from appliance.supervisor.links import Links
from appliance.supervisor.listeners import copies
from appliance.supervisor.roles import ROLES, SILENT_SECONDS, Instance, start
from appliance.terms import Limits
from db.connect import reader, writer
from db.objects import read_objects

TICK: Final = 2.0  # between two looks at who is silent; all else wakes us
STOP_MARGIN: Final = 5.0  # beyond the drain limit, before a role is killed
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD)


def say(text: str) -> None:
    """One line for the administrator who started us, or the journal."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError as error:
        if error.errno in (errno.EPIPE, errno.EIO):  # nobody reads it any more
            with open(os.devnull, "w") as nowhere:  # what is left to be flushed would make our end a failure
                os.dup2(nowhere.fileno(), sys.stderr.fileno())


class Supervisor:
    """A node's processes and their listening sockets."""

    def __init__(self, home: Home, roles: Sequence[str], *, external: bool = False) -> None:
        self.home = home
        self.roles = roles
        self.external = external  # systemd starts the roles; we only hand out sockets
        self.claim = claim(home)
        # Without a writer's connection held open, read-only users of a WAL database fail once the writer has closed.
        self.keepers = [writer(path) for path in (home.config_db, home.node_db)]
        for keeper in self.keepers:
            keeper.execute("SELECT count(*) FROM sqlite_master").fetchone()
        self.instances: list[Instance] = []
        self.due: list[tuple[float, str, int]] = []  # when to start which role again, after how many failures
        self.begun: set[str] = set()  # roles that were ready once
        self.serial = 0
        self.announced = False
        self.stopping_until = math.inf
        self.status = 0
        self.ticked = time.monotonic()
        self.lender = Lender(home, roles, copies(), self.instances, say)
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
        self.lender.renew()
        if self.external:
            notify("READY=1")  # the units of the roles wait for it
        else:
            for role in self.roles:
                self._start(role)
        while not self._is_over():
            for key, _ in self.selector.select(self._pause(time.monotonic())):
                _guarded(key.data, key.fileobj)
            _guarded(self._tick, time.monotonic())
        self.home.supervisor_sock.unlink(missing_ok=True)
        return self.status

    def _pause(self, now: float) -> float:
        due = [self.lender.retry_at, self.stopping_until, *(at for at, _, _ in self.due)]
        return min(TICK, max(0.0, min(due) - now))

    def _signals(self, wake: socket.socket) -> None:
        for number in wake.recv(64):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            elif number == signal.SIGHUP:
                self.links.tell(messages.ReloadCertificates())
            elif number == signal.SIGUSR2:
                self._upgrade()

    def _tick(self, now: float) -> None:
        if now - self.ticked > SILENT_SECONDS / 2:  # it was us who did not run: a suspended machine, a debugger
            for instance in self.instances:
                instance.forgive(now)
        self.ticked = now
        for instance in list(self.instances):
            if instance.process is not None and instance.process.poll() is not None:
                self._ended(instance, instance.process.returncode, now)
            elif instance.is_silent(now):
                say(f"{instance.name} does not answer any more: replaced")
                instance.heard = now
                if self._is_stopping():
                    instance.kill_all()
                else:
                    instance.kill()
        for due in [due for due in self.due if due[0] <= now]:
            self.due.remove(due)
            self._start(due[1], due[2])
        if now >= self.lender.retry_at:
            self._listen()
        if now >= self.stopping_until:
            self.stopping_until = now + STOP_MARGIN
            self._kill_all()

    def _listen(self) -> None:
        self.lender.renew()
        self._announce()

    # --- roles ------------------------------------------------------------------------------------------------

    def _start(self, role: str, failures: int = 0) -> None:
        self.serial += 1
        try:
            self.instances.append(start(role, f"{role}-{self.serial}", self.home, failures))
        except (OSError, subprocess.SubprocessError) as error:  # no memory, no more processes
            say(f"cannot start {role}: {error}; trying again in {TICK:g} s")
            self.due.append((time.monotonic() + TICK, role, failures))

    def _upgrade(self) -> None:
        """New processes of the installed release beside the old ones, which drain once these are ready."""
        if self.external or self._is_stopping():
            return
        for role in self.roles:
            if ROLES[role].drains:
                self._start(role)

    def _ended(self, instance: Instance, status: int, now: float) -> None:
        self.instances.remove(instance)
        self.links.hang_up(instance)
        if self._is_stopping():
            self._end_the_last()
        elif instance.draining:
            return
        elif status == 1 and instance.role not in self.begun:  # it said why
            say(f"{instance.name} could not start: the node ends")
            self.status = 1
            self._stop()
        else:
            pause = instance.pause_before_next(now)
            ending = f"with status {status}" if status >= 0 else f"by signal {-status}"
            say(f"{instance.name} ended {ending}: starting it again in {pause:g} s")
            self.due.append((now + pause, instance.role, instance.failures + 1 if pause else 0))

    def _obey(self, instance: Instance, message: messages.FromRole) -> None:
        instance.heard = time.monotonic()
        if isinstance(message, messages.Hello):
            self.lender.hand_out(instance)
            if instance.draining:  # it was not there to be told
                instance.tell(messages.Drain(math.inf))
        elif isinstance(message, messages.Ready):
            instance.ready = True
            self.begun.add(instance.role)
            self._drain_older(instance)
            self._announce()
        elif isinstance(message, messages.ListenersWanted):
            instance.tell(messages.ListenersPossible(message.request, self.lender.try_out(message.listeners)))
        elif isinstance(message, messages.ConfigurationChanged):
            self._listen()
            instance.tell(messages.ListenersOpen(message.revision, self.lender.problems))

    def _drain_older(self, instance: Instance) -> None:
        for other in self.instances[: self.instances.index(instance)]:
            if other.role == instance.role and not other.draining:
                other.draining = True
                other.tell(messages.Drain(math.inf))  # as long as its sessions last

    def _announce(self) -> None:
        """Say `ready`, once, when every listener is open and every role serves."""
        serving = {instance.role for instance in self.instances if instance.ready}
        if self.announced or self.lender.problems or not serving.issuperset(self.roles):
            return
        self.announced = True
        say("ready")
        if not self.external:
            notify("READY=1")

    # --- the end ----------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        if self._is_stopping():  # asked twice: no more waiting
            self._kill_all()
            return
        notify("STOPPING=1")
        self.stopping_until = time.monotonic() + self._drain_seconds() + STOP_MARGIN
        self.due.clear()
        if self.external:
            return  # systemd keeps the sockets, and stops the roles if it wants to
        self.lender.close()
        for instance in self.instances:
            if ROLES[instance.role].drains:
                instance.signal(signal.SIGTERM)
        self._end_the_last()

    def _end_the_last(self) -> None:
        """The controller goes last: sessions report to it to their end."""
        if not any(ROLES[instance.role].drains and instance.process for instance in self.instances):
            for instance in self.instances:
                instance.signal(signal.SIGTERM)

    def _kill_all(self) -> None:
        for instance in self.instances:
            instance.kill_all()

    def _drain_seconds(self) -> float:
        try:
            with contextlib.closing(reader(self.home.config_db)) as connection:
                return float(read_objects(connection).get("limits")["drain_seconds"])
        except (sqlite3.Error, ValueError):
            return Limits().drain_seconds

    def _is_stopping(self) -> bool:
        return self.stopping_until < math.inf

    def _is_over(self) -> bool:
        return self._is_stopping() and (self.external or not any(one.process for one in self.instances))


def _guarded(step: Callable[..., object], *arguments: object) -> None:
    try:
        step(*arguments)
    except Exception:  # noqa: BLE001 - a bug here must not end the roles; it is printed, and what was due comes again
        with contextlib.suppress(OSError):
            traceback.print_exc()


def main(home: Home, roles: Sequence[str] = (), *, external: bool = False) -> int:
    """Supervise the named roles (default: all). Returns the exit status."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a session takes two, and the roles inherit this
    try:
        return Supervisor(home, list(roles) or list(ROLES), external=external).run()
    except CannotStart as error:
        say(f"postern: {error}")
    except (OSError, sqlite3.Error) as error:
        say(f"postern: cannot serve {home.path}: {error}")
    return 1


def _unit() -> int:
    """What postern.service runs: the roles are units of their own."""
    parser = argparse.ArgumentParser(prog="postern-supervisor")
    parser.add_argument("--home")
    return main(Home.find(parser.parse_args().home), external=True)


if __name__ == "__main__":
    sys.exit(_unit())
