"""Asking a node: through its control socket when it runs, else by carrying out the request in this process.

In a process that the console let in, through the conversation that it inherited (POSTERN_CONTROL_FD) and no other way.
Light on purpose, commands start with it: neither the database nor the handlers are loaded unless no node runs.
Must never decide anything.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from typing import BinaryIO, Final, Protocol

import msgspec

from appliance.control.api import Done, Event, Failed, Progress, Refused, Reply, Request
from appliance.control.api.console import ConsoleOpen
from appliance.control.lock import InUse
from appliance.home import Home

PATIENCE: Final = 2.0  # seconds that a node may need between taking the lock and listening
INHERITED: Final = "POSTERN_CONTROL_FD"  # names the descriptor of an administrator's conversation

Carried = BinaryIO | socket.socket  # what travels with a request, by descriptor
Replies = Generator[Reply, None, None]  # closed: the client gave up

LOST: Final = 3  # the status of what nobody answered

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Done | Failed | Progress | Event).decode


class Way(Protocol):
    """How requests reach a node."""

    def replies(self, request: Request, file: Carried | None) -> Replies:
        """Progress and Events, then one Done or Failed."""

    def close(self) -> None:
        """Let go of it."""


class Client:
    """One conversation with a node. One request at a time."""

    def __init__(self, way: Way) -> None:
        self._way = way

    @classmethod
    def connect(cls, home: Home) -> Client:
        """To the running node; else this process becomes the home's only writer. Raises Refused, InUse.

        Where a conversation was inherited: one more like that.
        """
        if INHERITED in os.environ:
            return cls(_Socket(_one_more(os.environ[INHERITED])))
        deadline = time.monotonic() + PATIENCE
        while True:
            connection = _connect(home)
            if connection is not None:
                return cls(_Socket(connection))
            try:
                return cls(_alone(home))
            except InUse:  # a node that is starting, or another command
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    @classmethod
    def running(cls, home: Home, seconds: float) -> Client:
        """To the running node alone; silence for `seconds` raises TimeoutError. Raises Refused if none runs."""
        return cls(_Socket(reach(home, seconds)))

    @classmethod
    def on(cls, connection: socket.socket) -> Client:
        """On a connection that is there; it is closed with this."""
        return cls(_Socket(connection))

    def more(self) -> socket.socket:
        """The end of one more conversation as the same, opened on this one. Raises Refused, OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with theirs:
                self.ask(ConsoleOpen(), file=theirs)
        except BaseException:  # raised on: nobody else would close it
            ours.close()
            raise
        return ours

    def ask(
        self, request: Request, file: Carried | None = None, progress: Callable[[Progress], None] | None = None
    ) -> Done:
        """The answer. `file` travels by descriptor. Raises Refused with the node's sentence and exit status."""
        with contextlib.closing(self._way.replies(request, file)) as replies:
            for reply in replies:
                if isinstance(reply, Done):
                    return reply
                if isinstance(reply, Failed):
                    raise Refused(reply.text, reply.status, reply.value)
                if isinstance(reply, Progress) and progress is not None:
                    progress(reply)
        raise Refused("the node went away before it answered: whether it was done is not known", LOST)

    def stream(self, request: Request) -> Iterator[Event]:
        """The events of a stream, until it ends. Raises Refused."""
        with contextlib.closing(self._way.replies(request, None)) as replies:
            for reply in replies:
                if isinstance(reply, Event):
                    yield reply
                elif isinstance(reply, Done):
                    return
                elif isinstance(reply, Failed):
                    raise Refused(reply.text, reply.status, reply.value)
        again = "; if that stays so, open the console again" if INHERITED in os.environ else ""
        raise Refused(f"the node ended this conversation{again}")

    def close(self) -> None:
        """End the conversation."""
        self._way.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Socket:
    """The way through HOME/control.sock."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def replies(self, request: Request, file: Carried | None) -> Replies:
        line = memoryview(_encode(request) + b"\n")
        descriptors = [] if file is None else [file.fileno()]
        # A server that refuses may have answered and hung up before it has read all: its answer is still there.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sent = socket.send_fds(self._connection, [line], descriptors)
            self._connection.sendall(line[sent:])
        with contextlib.suppress(ConnectionResetError), self._connection.makefile("rb") as lines:
            for reply in lines:
                yield _decode(reply)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a thread that waits for an answer wakes up by this
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def reach(home: Home, seconds: float) -> socket.socket:
    """A connection to the running node: silence for `seconds` raises TimeoutError. Raises Refused if none runs."""
    connection = _connect(home)
    if connection is None:
        raise Refused(f"the node at {home.path} does not run", 3)
    connection.settimeout(seconds)
    return connection


def _connect(home: Home) -> socket.socket | None:
    """None if nobody listens. Raises Refused if we may not speak to whoever does."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(home.control_sock))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except PermissionError as error:
        connection.close()
        raise Refused(f"only root and members of the group postern-admin may use the node at {home.path}") from error
    except OSError as error:
        connection.close()
        raise Refused(f"cannot speak to the node at {home.path}: {error.strerror or error}") from error
    return connection


_asking: Final = threading.Lock()


def _one_more(inherited: str) -> socket.socket:
    """Another conversation as the same administrator. Raises Refused."""
    try:
        first = socket.socket(fileno=os.dup(int(inherited)))
        first.setblocking(True)  # whatever it was in the process that made it
    except (ValueError, OSError) as error:
        raise Refused(f"{INHERITED} is {inherited[:20]!r}: this console has no conversation with the node") from error
    try:
        with _asking, first:
            return Client.on(first).more()
    except Refused as refused:
        if refused.status == LOST:
            raise Refused("this console's conversation with the node has ended: open the console again") from refused
        raise


def _alone(home: Home) -> Way:
    # By name: the terminal UI imports this file, and must not load the database with it.
    way: Way = import_module("appliance.control.alone").Alone(home)
    return way


__all__ = ["Client", "InUse", "Refused"]
