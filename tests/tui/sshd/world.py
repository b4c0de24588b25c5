"""The SSH server in this process, with a scripted controller behind it and any program in the place of `postern`.

Must never be the only proof: tests/tui/sshd/test_node.py tells the same stories of a real node.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from appliance.home import Home
from appliance.role import Lent
from tests.services.ports import free_port
from tui.sshd import children
from tui.sshd.server import Server

HOST = "127.0.0.41"


class FakeController:
    """Answers what the SSH server asks. Change its attributes as the story wants; `asked` has all requests."""

    def __init__(self, home: Home) -> None:
        self.keys: dict[str, list[str]] = {}
        self.passwords = {"jonas": ("secret pass", "123456")}
        self.totp: set[str] = set()
        self.allowed, self.delay, self.role = True, 0.0, "owner"
        self.asked: list[dict[str, Any]] = []
        self.entered: list[socket.socket] = []
        self._open: set[socket.socket] = set()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(home.control_sock))
        self._server.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Hang up on everybody."""
        with contextlib.suppress(OSError):  # done already
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for conversation in list(self._open):
            with contextlib.suppress(OSError):  # it ended just now
                conversation.shutdown(socket.SHUT_RDWR)
        for conversation in self.entered:
            conversation.close()

    def count(self, do: str) -> int:
        """How often this was asked."""
        return sum(one["do"] == do for one in self.asked)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._open.add(connection)
            while line := (received := socket.recv_fds(connection, 1 << 16, 1))[0]:
                came = [socket.socket(fileno=descriptor) for descriptor in received[1]]
                request = json.loads(line)
                if request["do"] == "console open":
                    threading.Thread(target=self._converse, args=came, daemon=True).start()
                    answer: dict[str, Any] = {"is": "done"}
                else:
                    self.entered += came
                    self.asked.append(request)
                    answer = getattr(self, "_" + request["do"].replace(" ", "_"))(request)
                connection.sendall(json.dumps(answer).encode() + b"\n")
        self._open.discard(connection)

    def _console_address(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"is": "done", "value": {"allowed": self.allowed, "delay": self.delay}}

    def _console_key(self, request: dict[str, Any]) -> dict[str, Any]:
        allowed = request["key"] in self.keys.get(request["name"], [])
        return {"is": "done", "value": {"allowed": allowed, "totp": allowed and request["name"] in self.totp}}

    def _console_password(self, request: dict[str, Any]) -> dict[str, Any]:
        right = self.passwords.get(request["name"]) == (request["password"], request["code"])
        return {"is": "done", "value": {"allowed": right}}

    def _console_enter(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.role == "gone":
            return {"is": "failed", "text": f"there is no administrator {request['name']}"}
        return {"is": "done", "value": {"role": self.role}}


class World:
    """What a story needs."""

    def __init__(self, home: Home, patch: pytest.MonkeyPatch) -> None:
        self.home, self._patch = home, patch
        self.controller = FakeController(home)
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.controller.keys["maria"] = [public(self.key)]
        self.port = free_port(HOST)
        self.folder = home.path.parent

    def program(self, text: str) -> None:
        """A child runs this Python program; its words are in sys.argv."""
        file = self.folder / "child.py"
        file.write_text(text)
        self._patch.setattr(children, "COMMAND", (sys.executable, "-u", str(file)))

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Server]:
        """The server, listening."""
        server = Server(self.home)
        await server.prepare()
        listener = socket.create_server((HOST, self.port))
        listener.setblocking(False)
        server.listen([Lent("console", f"{HOST}:{self.port}", False, listener)])
        try:
            yield server
        finally:
            await server.close()

    async def connect(self, name: str = "maria", **options: Any) -> asyncssh.SSHClientConnection:
        """Logged in by key, unless said otherwise."""
        given = {"client_keys": [self.key], "agent_path": None, **options}
        return await asyncssh.connect(HOST, self.port, username=name, known_hosts=None, config=None, **given)

    def tell(self, story: Callable[[Server], Any]) -> None:
        """Run an async story against the server."""

        async def whole() -> None:
            async with self.serving() as server:
                await story(server)

        asyncio.run(whole())


def public(key: asyncssh.SSHKey) -> str:
    """As the controller is asked."""
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


async def soon(ask: Callable[[], Any], what: str, seconds: float = 10) -> Any:
    """The first true answer, without keeping the loop from its work."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not (answer := ask()):
        assert loop.time() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)
    return answer


def pids(file: Path) -> list[int]:
    """The processes that wrote their ids there."""
    return [int(line) for line in file.read_text().split()] if file.exists() else []
