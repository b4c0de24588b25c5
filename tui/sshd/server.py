"""The SSH server itself: connections accepted on lent sockets, who waits at the door, who is inside, and how many.

Must never offer an algorithm that it does not name here, nor hold more of anything than it says here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import asyncssh

from appliance.control.api import Refused
from appliance.drop import Drop
from appliance.home import Home
from appliance.role import Lent
from tui.sshd.controller import Controller, Silent
from tui.sshd.door import SILENT, Door, Guest, address_of
from tui.sshd.session import Streams
from tui.sshd.uploads import receive
from tui.sshd.visit import LOCKED, STOPPING, Visit

WAITING: Final = 64  # connections before log-in; when one more comes, the one that has waited longest has to go
WAITING_EACH: Final = 8  # of one address
LOGIN_SECONDS: Final = 30
INSIDE: Final = 64  # connections after log-in
INSIDE_EACH: Final = 8  # of one administrator
SESSIONS: Final = 32
SESSIONS_EACH: Final = 8
KEEPALIVE_SECONDS: Final = 60
SWEEP_SECONDS: Final = 3600.0
FAREWELL_SECONDS: Final = 4.0
CROWDED: Final = "too many sessions are open: close one"

ALGORITHMS: Final[dict[str, Any]] = {
    "kex_algs": ["mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org"],
    "encryption_algs": ["chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com"],
    "mac_algs": ["hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com"],
    "compression_algs": ["none", "zlib@openssh.com"],  # the client's order decides: `ssh -C`
    "signature_algs": [
        "ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521", "sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-512", "rsa-sha2-256",
    ],
}  # fmt: skip

log = logging.getLogger("postern.console")


class Server:
    """All connections of the role. Belongs to the loop's thread."""

    def __init__(self, home: Home) -> None:
        """Raises OSError, asyncssh.KeyImportError if there is no host key to read."""
        self.drop = Drop(home.drop)
        self._home = home
        self._key = asyncssh.read_private_key(home.ssh / "ssh_host_ed25519_key")
        self._controller = Controller(home)
        self._listeners: list[socket.socket] = []
        self._waiting: dict[asyncio.Task[None], str] = {}  # by age: an address's key
        self._doors: set[Door] = set()
        self._visits: set[Visit] = set()
        self._sessions: Counter[str] = Counter()  # by administrator
        self._tasks: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        """Once, before it listens."""
        self._options = await asyncssh.SSHServerConnectionOptions.construct(
            server_factory=lambda: Door(self._controller, self),
            server_host_keys=[self._key],
            server_version="Postern",
            encoding=None,
            line_editor=False,
            password_auth=False,
            gss_host=None,
            host_based_auth=False,
            agent_forwarding=False,
            x11_forwarding=False,
            login_timeout=LOGIN_SECONDS,
            keepalive_interval=KEEPALIVE_SECONDS,
            tcp_keepalive=True,
            config=(),
            **ALGORITHMS,
        )
        self._begin(self._sweep())

    def listen(self, lent: list[Lent]) -> None:
        """On these sockets, and on no others any more."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener)
            listener.close()
        self._listeners = [one.socket for one in lent]
        for listener in self._listeners:
            loop.add_reader(listener, self._accept, listener)

    def retire(self) -> None:
        """Let another server take over: who is inside stays until he goes, and begins nothing new."""
        self.listen([])
        self._controller.close()

    @property
    def is_empty(self) -> bool:
        """Nobody is inside."""
        return not self._doors

    async def close(self) -> None:
        """End everything, with a word to those inside."""
        self.listen([])
        for visit in list(self._visits):
            visit.end(STOPPING)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                while self._visits:
                    await asyncio.sleep(0.02)
        for door in list(self._doors):
            door.connection.disconnect(asyncssh.DISC_BY_APPLICATION, STOPPING)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._controller.close()

    # --- before log-in -----------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, place = listener.accept()
        except OSError:  # gone already, or another took it
            return
        client = address_of(place[0])
        key = _network(client)
        if list(self._waiting.values()).count(key) >= WAITING_EACH:
            connection.close()
            return
        if len(self._waiting) >= WAITING:
            next(iter(self._waiting)).cancel()
        self._waiting[self._begin(self._greet(connection, client))] = key

    def _begin(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._waiting.pop(task, None)
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.error("a connection ended by a bug: %s", type(bug).__name__, exc_info=bug)

    async def _greet(self, connection: socket.socket, client: str) -> None:
        """One connection, from its first octet to its last."""
        with contextlib.closing(connection):
            try:
                gate = await self._controller.gate(client)
            except Silent:
                gate = None  # the door says so, in a way that clients show
            if gate is not None and not gate.allowed:
                return
            with contextlib.suppress(OSError, asyncssh.Error):
                inside = await asyncssh.run_server(connection, options=self._options)
                door = inside.get_extra_info("door")
                self._waiting.pop(asyncio.current_task(), None)  # type: ignore[arg-type]
                try:
                    await inside.wait_closed()
                finally:
                    self._doors.discard(door)

    def enter(self, door: Door) -> bool:
        """See tui.sshd.door.House."""
        assert door.guest is not None
        same = sum(other.guest is not None and other.guest.name == door.guest.name for other in self._doors)
        if same >= INSIDE_EACH or len(self._doors) >= INSIDE:
            return False
        self._doors.add(door)
        return True

    def left_in_vain(self, client: str) -> None:
        """See tui.sshd.door.House."""
        log.info("a log-in from %s failed", client)
        self._begin(self._count(client))

    async def _count(self, client: str) -> None:
        with contextlib.suppress(Silent):
            await self._controller.gate(client, failed=1)

    # --- after it ----------------------------------------------------------------------------------------------------

    def attend(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """See tui.sshd.session.House."""
        self._begin(self._attend(process, process.get_extra_info("door").guest))

    async def _attend(self, process: asyncssh.SSHServerProcess[bytes], guest: Guest) -> None:
        with contextlib.closing(process), self._counted(guest) as has_room:
            if not has_room:
                _refuse(process.channel, process.stderr, CROWDED)
            elif (process.command or "").startswith("scp "):
                streams = Streams(process.channel, process.stdin, process.stdout, process.stderr)
                await self._receive(streams, guest, process.command)
            else:
                await self._visit(process, guest)

    def transfer(self, streams: Streams) -> None:
        """See tui.sshd.session.House."""
        self._begin(self._transfer(streams, streams.channel.get_extra_info("door").guest))

    async def _transfer(self, streams: Streams, guest: Guest) -> None:
        with contextlib.closing(streams.channel), self._counted(guest) as has_room:
            if has_room:
                await self._receive(streams, guest)
            else:
                _refuse(streams.channel, streams.stderr, CROWDED)

    @contextlib.contextmanager
    def _counted(self, guest: Guest) -> Iterator[bool]:
        """Whether one more session has room; it is counted meanwhile."""
        if self._sessions[guest.name] >= SESSIONS_EACH or self._sessions.total() >= SESSIONS:
            yield False
            return
        self._sessions[guest.name] += 1
        try:
            yield True
        finally:
            self._sessions[guest.name] -= 1

    async def _visit(self, process: asyncssh.SSHServerProcess[bytes], guest: Guest) -> None:
        visit = Visit(process, guest)
        self._visits.add(visit)
        try:
            await visit.run(self._home, self._controller)
        finally:
            self._visits.discard(visit)

    async def _receive(self, streams: Streams, guest: Guest, scp: str | None = None) -> None:
        try:
            if guest.locked:
                raise Refused(LOCKED)
            role, held = await self._controller.enter(*guest.entry)
            held.close()
            if role == "viewer":
                raise Refused("uploads need the role operator; yours is viewer")
        except Refused as refused:
            _refuse(streams.channel, streams.stderr, refused.text)
        except Silent:
            _refuse(streams.channel, streams.stderr, SILENT)
        else:
            await receive(streams, guest, self.drop, scp)

    async def _sweep(self) -> None:
        partials = True
        while True:
            try:
                self.drop.sweep(partials)
            except OSError as error:
                log.warning("uploads cannot be kept: %s: %s", self.drop.path, error.strerror or error)
            partials = False
            await asyncio.sleep(SWEEP_SECONDS)


def _refuse(channel: asyncssh.SSHServerChannel[bytes], to: asyncssh.SSHWriter[bytes], why: str) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        to.write(f"postern: {why}\n".encode())
        channel.exit(1)


def _network(client: str) -> str:
    """Whose address it is: of IPv6, one customer has at least a /64."""
    address = ipaddress.ip_address(client)
    return client if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
