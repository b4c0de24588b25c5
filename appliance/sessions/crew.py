"""The workers of one sessions role: forked, watched, replaced when they die or hang, told what the supervisor says.

Must never start a thread, or hold a database open across a fork. The TLS contexts are built before the first fork: all
workers then share their ticket keys, and so do the successors of workers that die.
"""

from __future__ import annotations

import gc
import math
import mmap
import os
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from appliance import messages, packets
from appliance.home import Home
from appliance.sessions.compose import load_certificates, reload_certificates, serve

HUNG_SECONDS: Final = 5  # without a heartbeat; a worker's loop turns at least once a second
RESTART_SECONDS: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
SETTLED_SECONDS: Final = 30  # a worker that lived this long is replaced without delay
STARTING_PAUSE: Final = 0.05  # between two looks whether a new worker serves
BEAT: Final = struct.Struct("Q")


@dataclass(slots=True)
class Member:
    """One forked worker, as its parent sees it."""

    pid: int
    control: socket.socket
    started: float
    deaths: int  # early ones, in a row, of the workers before it
    beats: int = 0
    changed: float = 0.0  # when the heartbeat last moved


class Crew:
    """One worker for each copy of the listening sockets. `let_go` closes, in a new worker, what is its parent's."""

    def __init__(self, home: Home, instance: str, let_go: Callable[[], object]) -> None:
        self.home = home
        self.instance = instance
        self.draining = False
        self.members: dict[int, Member] = {}
        self._let_go = let_go
        self._certificates = load_certificates(home)
        self._specs: list[messages.ListenerSpec] = []
        self._descriptors: list[int] = []
        self._copies = 0
        self._due: dict[int, tuple[float, int]] = {}  # slot: when to fork it again, after how many early deaths
        self._beats = mmap.mmap(-1, mmap.PAGESIZE)
        self._watched = time.monotonic()
        gc.collect()
        gc.freeze()  # so that no worker's collector writes on pages it shares with the others

    # --- what the supervisor says -----------------------------------------------------------------------------

    def employ(self, specs: list[messages.ListenerSpec], descriptors: list[int], copies: int) -> None:
        """Serve these listening sockets instead of those before, by as many workers as there are copies."""
        self._close_descriptors()
        self._specs, self._descriptors, self._copies = specs, descriptors, copies
        if self.draining:
            self._close_descriptors()
            return
        for slot in range(copies):
            if slot in self.members:
                self._lend(slot)
            elif slot not in self._due:
                self._fork(slot, 0)
        for slot in self.members.keys() - range(copies):  # the machine has fewer cores now
            packets.send(self.members[slot].control, messages.Drain(math.inf))

    def drain(self, seconds: float) -> None:
        """Accept no more; told again, it may be for less time."""
        self.draining = True
        self._due.clear()
        self._close_descriptors()
        self._tell(messages.Drain(seconds))

    def reload_certificates(self) -> None:
        """Read them again, here for successors and in each worker."""
        reload_certificates(self._certificates, self.home)
        self._tell(messages.ReloadCertificates())

    def serves(self) -> bool:
        """Whether every worker there should be has begun."""
        return self._copies > 0 and all(
            slot in self.members and self.members[slot].beats for slot in range(self._copies)
        )

    # --- the clock --------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """See who ended, who hangs, and who is to be replaced now."""
        self._reap(now)
        self._watch(now)
        for slot in [slot for slot, due in self._due.items() if due[0] <= now]:
            self._fork(slot, self._due.pop(slot)[1])

    def pause(self, now: float) -> float:
        """Seconds until the next look is due, infinite if none is; a worker that ends is told by a signal."""
        if any(not member.beats for member in self.members.values()):
            return STARTING_PAUSE
        return max(0.0, min((due[0] for due in self._due.values()), default=math.inf) - now)

    def _reap(self, now: float) -> None:
        for slot, member in list(self.members.items()):
            pid, status = os.waitpid(member.pid, os.WNOHANG)
            if pid == 0:
                continue
            del self.members[slot]
            member.control.close()
            if self.draining or slot >= self._copies:
                continue
            pause = 0.0 if now - member.started > SETTLED_SECONDS else RESTART_SECONDS[min(member.deaths, 4)]
            self._say(f"worker {slot} ended {_ending(status)}: replaced in {pause:g} s")
            self._due[slot] = (now + pause, member.deaths + 1 if pause else 0)

    def _watch(self, now: float) -> None:
        stopped = now - self._watched > HUNG_SECONDS / 2  # it was us who did not run: a suspended machine, a debugger
        self._watched = now
        for slot, member in self.members.items():
            (beats,) = BEAT.unpack_from(self._beats, slot * BEAT.size)
            if beats != member.beats or stopped:
                member.beats, member.changed = beats, now
            elif now - member.changed > HUNG_SECONDS:
                self._say(f"worker {slot} hangs: replaced")
                os.kill(member.pid, signal.SIGKILL)
                member.changed = now

    # --- forking ----------------------------------------------------------------------------------------------

    def _fork(self, slot: int, deaths: int) -> None:
        reload_certificates(self._certificates, self.home)
        BEAT.pack_into(self._beats, slot * BEAT.size, 0)
        ours, theirs = packets.pair()
        try:
            pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            self._say(f"cannot fork worker {slot}: {error}")
            self._due[slot] = (time.monotonic() + RESTART_SECONDS[-1], deaths)
            return
        if pid == 0:
            ours.close()
            self._become(slot, theirs)
        theirs.close()
        now = time.monotonic()
        self.members[slot] = Member(pid, ours, now, deaths, changed=now)
        self._lend(slot)

    def _become(self, slot: int, control: socket.socket) -> None:
        """In the child: let go of what is the parent's, serve, and never return."""
        status = 1
        try:
            self._let_go()
            for member in self.members.values():
                member.control.close()
            self._close_descriptors()
            beat = partial(self._beat, slot)
            status = serve(self.home, self.instance, slot, self._copies, control, self._certificates, beat)
        except Exception:  # noqa: BLE001 - nobody above would print it: it must not run the parent's loop
            traceback.print_exc()
        finally:
            os._exit(status)

    def _beat(self, slot: int) -> None:
        at = slot * BEAT.size
        BEAT.pack_into(self._beats, at, BEAT.unpack_from(self._beats, at)[0] + 1)

    # --- what workers are told --------------------------------------------------------------------------------

    def _lend(self, slot: int) -> None:
        """Give a worker its copy of each listening socket."""
        own = self._descriptors[slot :: self._copies]
        for at in range(0, max(len(own), 1), messages.MAX_DESCRIPTORS):
            end = at + messages.MAX_DESCRIPTORS
            message = messages.Listeners(self._specs[at:end], 1, more=end < len(own))
            packets.send(self.members[slot].control, message, own[at:end])

    def _tell(self, message: messages.Message) -> None:
        for member in self.members.values():
            packets.send(member.control, message)

    def _close_descriptors(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._specs, self._descriptors = [], []

    def _say(self, text: str) -> None:
        say(f"{self.instance}: {text}")


def say(text: str) -> None:
    """One line for the log."""
    with suppress(OSError):  # nobody reads it any more
        print(text, file=sys.stderr, flush=True)


def _ending(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"with status {code}" if code >= 0 else f"by signal {-code}"
