"""Whether a proxy is a true pipe after the log-in: a store that plays one part for each user, and the four checks.

user1: octets sent early. user2: 64 MB both ways at once. user3: half-close. user4: nobody reads for a while.
Works with any proxy that logs users in, or only passes on what it hears.
"""

from __future__ import annotations

import hashlib
import queue
import random
import re
import socket
import threading
import time
from typing import BinaryIO, Final

from tests.services.scripted import honest_login

BULK: Final = 64 * 1024 * 1024
EARLY: Final = b"a2 NOOP\r\n" + random.Random(1).randbytes(3000)
PATTERN: Final = random.Random(2).randbytes(1 << 20)
SILENCE: Final = 2.0  # seconds in which nobody reads
TAKEN_AT_MOST: Final = 100_000_000  # octets that a proxy may hold on to, socket buffers included


class Store:
    """The part after the log-in, chosen by the user's number; `heard` receives what the part found."""

    def __init__(self) -> None:
        self.heard: queue.Queue[bytes | int] = queue.Queue()
        self.read_now = threading.Event()

    def __call__(self, peer: socket.socket) -> None:
        """Play one connection."""
        user, reader = honest_login(peer)
        number = re.search(rb"user(\d)", user)
        if not number:
            return
        {1: self.early, 2: self.both_ways, 3: self.half_close, 4: self.nobody_reads}[int(number[1])](peer, reader)

    def early(self, peer: socket.socket, reader: BinaryIO) -> None:
        self.heard.put(reader.read(len(EARLY)))
        peer.sendall(b"* heard\r\n")
        self.heard.put(reader.read())

    def both_ways(self, peer: socket.socket, reader: BinaryIO) -> None:
        writer = threading.Thread(target=send_bulk, args=(peer,))
        writer.start()
        self.heard.put(digest(reader))
        writer.join()

    def half_close(self, peer: socket.socket, reader: BinaryIO) -> None:
        self.heard.put(reader.read())
        peer.sendall(PATTERN)

    def nobody_reads(self, _: socket.socket, reader: BinaryIO) -> None:
        self.read_now.wait(60)
        self.heard.put(digest(reader))


def send_bulk(peer: socket.socket) -> None:
    """BULK octets of the pattern."""
    for _ in range(BULK // len(PATTERN)):
        peer.sendall(PATTERN)


def digest(reader: BinaryIO, size: int = BULK) -> bytes:
    """SHA-256 of the next `size` octets, fewer at the end."""
    seen = hashlib.sha256()
    while size and (block := reader.read(min(size, 1 << 16))):
        seen.update(block)
        size -= len(block)
    return seen.digest()


EXPECTED: Final = hashlib.sha256(PATTERN * (BULK // len(PATTERN))).digest()


def log_in(host: str, port: int, number: int, early: bytes = b"") -> tuple[socket.socket, BinaryIO]:
    """A connection as userN, logged in; `early` goes in the same packet as the log-in."""
    peer = socket.create_connection((host, port), 30)
    reader = peer.makefile("rb")
    reader.readline()
    peer.sendall(b"a1 LOGIN user%d@example.test password\r\n" % number + early)
    while not (line := reader.readline()).startswith(b"a1 "):
        assert line, "closed in the log-in"
    assert line.startswith(b"a1 OK"), line
    return peer, reader


def early_octets(store: Store, host: str, port: int) -> str:
    """What was sent with the log-in arrives once, whole, first."""
    peer, reader = log_in(host, port, 1, EARLY)
    assert store.heard.get(timeout=20) == EARLY, "early octets lost or changed"
    assert reader.readline() == b"* heard\r\n"
    peer.close()
    reader.close()
    assert store.heard.get(timeout=20) == b"", "octets twice"
    return "arrive once"


def both_ways_at_once(store: Store, host: str, port: int) -> str:
    """64 MB each way at the same time."""
    peer, reader = log_in(host, port, 2)
    writer = threading.Thread(target=send_bulk, args=(peer,))
    writer.start()
    got = digest(reader)
    writer.join()
    assert got == EXPECTED, "lost or changed on the way to the client"
    assert store.heard.get(timeout=60) == EXPECTED, "lost or changed on the way to the store"
    peer.close()
    reader.close()
    return "whole"


def half_close(store: Store, host: str, port: int) -> str:
    """The client is done sending; what the store says to that still arrives."""
    peer, reader = log_in(host, port, 3)
    peer.sendall(b"last words")
    peer.shutdown(socket.SHUT_WR)
    assert store.heard.get(timeout=20) == b"last words", "the end was not passed on"
    assert reader.read() == PATTERN, "cut off"
    return "kept"


def nobody_reads(store: Store, host: str, port: int) -> str:
    """A store that does not read holds the client back; nothing is lost once it does."""
    store.read_now.clear()
    peer, _ = log_in(host, port, 4)
    peer.settimeout(0.2)
    sent, quiet_since = 0, time.monotonic()
    blocks = memoryview(PATTERN)
    while time.monotonic() - quiet_since < SILENCE and sent < BULK:
        at = sent % len(PATTERN)
        try:
            sent += peer.send(blocks[at:])
            quiet_since = time.monotonic()
        except TimeoutError:
            continue
    taken = sent
    assert taken < min(BULK, TAKEN_AT_MOST), f"took {taken} octets that nobody read"
    store.read_now.set()
    peer.settimeout(60)
    while sent < BULK:
        sent += peer.send(blocks[sent % len(PATTERN) :][: BULK - sent])
    assert store.heard.get(timeout=60) == EXPECTED, "lost or changed"
    return f"{taken / 1e6:.0f} MB taken, 0 lost"


CHECKS: Final = {
    "early octets": early_octets,
    "64 MB both ways at once": both_ways_at_once,
    "half-close": half_close,
    "nobody reads": nobody_reads,
}
