"""The parent of the session workers: keeps their sockets, forks them, replaces those that die or hang.

Must never serve a session, start a thread, or hold a database open across a fork. It builds the TLS contexts before
it forks: all workers then share their ticket keys, and so do the successors of workers that die.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from appliance import messages, packets
from appliance.home import Home
from appliance.sessions.compose import drain_seconds, load_certificates, reload_certificates, serve

TICK: Final = 0.5
HUNG_SECONDS: Final = 5  # without a heartbeat; a worker's loop turns at least once a second
RESTART_SECONDS: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
SETTLED_SECONDS: Final = 30
ORPHAN_SECONDS: Final = 10  # without a supervisor: nobody will ever hand these sockets on, so drain
BEAT: Final = struct.Struct("Q")


@dataclass(slots=True)
class WorkerProcess:
    """One forked worker, as its parent sees it."""

    pid: int
    control: socket.socket
    started: float
    deaths: int  # early ones, in a row, of the workers before it
    beats: int = 0
    changed: float = 0.0  # when the heartbeat last moved


class Parent:
    """Forks workers for the listening sockets that the supervisor lends."""

    def __init__(self, home: Home, instance: str) -> None:
        self.home = home
        self.instance = instance
        self.certificates = load_certificates(home)
        self.link: socket.socket | None = None
        self.specs: list[messages.ListenerSpec] = []
        self.descriptors: list[int] = []
        self.copies = 0
        self.arriving: tuple[list[messages.ListenerSpec], list[int]] = ([], [])
        self.workers: dict[int, WorkerProcess] = {}
        self.due: dict[int, tuple[float, int]] = {}  # slot: when to fork it again, after how many early deaths
        self.beats = mmap.mmap(-1, mmap.PAGESIZE)
        self.announced = False
        self.draining = False
        self.orphaned = time.monotonic()
        self.alive_at = 0.0

    def run(self) -> int:
        """Until drained. Returns the exit status."""
        wake, notified = socket.socketpair()
        for end in (wake, notified):
            end.setblocking(False)
        signal.set_wakeup_fd(notified.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while not self.draining or self.workers:
            watched = [wake] if self.link is None else [wake, self.link]
            readable, _, _ = select.select(watched, [], [], TICK if self.announced else TICK / 10)
            if wake in readable and signal.SIGTERM in wake.recv(64):
                self._drain(drain_seconds(self.home))
            if self.link in readable:
                self._hear()
            self._tick(time.monotonic())
        return 0

    def _tick(self, now: float) -> None:
        self._reap(now)
        self._watch(now)
        for slot in [slot for slot, due in self.due.items() if due[0] <= now]:
            self._fork(slot, self.due.pop(slot)[1])
        if self.link is None:
            self._find_supervisor(now)
        elif now >= self.alive_at:
            packets.send(self.link, messages.Alive())
            self.alive_at = now + 1

    # --- the supervisor ---------------------------------------------------------------------------------------

    def _find_supervisor(self, now: float) -> None:
        try:
            self.link = packets.connect(self.home.supervisor_sock)
        except OSError:
            if now - self.orphaned > ORPHAN_SECONDS and not self.draining:
                self._drain(drain_seconds(self.home))
            return
        packets.send(self.link, messages.Hello("sessions", self.instance, os.getpid()))
        if self.announced:
            packets.send(self.link, messages.Ready())

    def _hear(self) -> None:
        assert self.link is not None
        received = packets.receive(self.link)
        if received is None:
            return
        packet, descriptors = received
        if not packet:
            self.link.close()
            self.link, self.orphaned = None, time.monotonic()
            return
        try:
            message = messages.decode_from_supervisor(packet)
        except msgspec.DecodeError:
            return  # of a newer release: not for us
        if isinstance(message, messages.Listeners):
            self._lent(message, descriptors)
        elif isinstance(message, messages.Drain):
            self._drain(message.seconds)
        elif isinstance(message, messages.ReloadCertificates):
            reload_certificates(self.certificates, self.home)
            self._tell_workers(message)

    def _lent(self, message: messages.Listeners, descriptors: list[int]) -> None:
        specs, arrived = self.arriving
        specs += message.specs
        arrived += descriptors
        if message.more:
            return
        for old in self.descriptors:
            os.close(old)
        self.specs, self.descriptors, self.copies = specs, arrived, message.copies
        self.arriving = ([], [])
        for slot in range(self.copies):
            if slot in self.workers:
                self._lend(slot)
            elif slot not in self.due and not self.draining:
                self._fork(slot, 0)

    def _lend(self, slot: int) -> None:
        """Give a worker its copy of each listening socket."""
        own = self.descriptors[slot :: self.copies]
        parts = range(0, max(len(own), 1), messages.MAX_DESCRIPTORS)
        for at in parts:
            end = at + messages.MAX_DESCRIPTORS
            message = messages.Listeners(self.specs[at:end], 1, more=end < len(own))
            packets.send(self.workers[slot].control, message, own[at:end])

    def _drain(self, seconds: float) -> None:
        self.draining = True
        self.due.clear()
        self._tell_workers(messages.Drain(seconds))  # told again, it may be for less time

    def _tell_workers(self, message: messages.Message) -> None:
        for worker in self.workers.values():
            packets.send(worker.control, message)

    # --- workers ----------------------------------------------------------------------------------------------

    def _fork(self, slot: int, deaths: int) -> None:
        ours, theirs = packets.pair()
        reload_certificates(self.certificates, self.home)
        self._beat(slot, 0)
        pid = os.fork()
        if pid == 0:
            self._become(slot, theirs)
        theirs.close()
        now = time.monotonic()
        self.workers[slot] = WorkerProcess(pid, ours, now, deaths, changed=now)
        self.due.pop(slot, None)
        self._lend(slot)

    def _become(self, slot: int, control: socket.socket) -> None:
        """In the child: let go of what is the parent's, serve, and never return."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        status = 1
        try:
            for worker in self.workers.values():
                worker.control.close()
            for descriptor in self.descriptors:
                os.close(descriptor)
            if self.link is not None:
                self.link.close()
            beat = partial(self._beat, slot)
            status = serve(self.home, self.instance, slot, self.copies, control, self.certificates, beat)
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _beat(self, slot: int, value: int | None = None) -> None:
        at = slot * BEAT.size
        beats = BEAT.unpack_from(self.beats, at)[0] + 1 if value is None else value
        BEAT.pack_into(self.beats, at, beats)

    def _watch(self, now: float) -> None:
        for slot, worker in self.workers.items():
            (beats,) = BEAT.unpack_from(self.beats, slot * BEAT.size)
            if beats != worker.beats:
                worker.beats, worker.changed = beats, now
            elif now - worker.changed > HUNG_SECONDS:
                print(f"{self.instance}: worker {slot} hangs: replaced", file=sys.stderr, flush=True)
                os.kill(worker.pid, signal.SIGKILL)
                worker.changed = now
        serving = self.copies and len(self.workers) == self.copies and all(w.beats for w in self.workers.values())
        if serving and not self.announced and self.link is not None:
            self.announced = packets.send(self.link, messages.Ready())

    def _reap(self, now: float) -> None:
        for slot, worker in list(self.workers.items()):
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid == 0:
                continue
            del self.workers[slot]
            worker.control.close()
            if self.draining:
                continue
            lived = now - worker.started
            pause = 0.0 if lived > SETTLED_SECONDS else RESTART_SECONDS[min(worker.deaths, 4)]
            print(f"{self.instance}: worker {slot} ended with {_ending(status)}", file=sys.stderr, flush=True)
            self.due[slot] = (now + pause, 0 if not pause else worker.deaths + 1)


def _ending(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"status {code}" if code >= 0 else signal.Signals(-code).name
