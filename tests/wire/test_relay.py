"""After log-in: nothing lost, doubled or reordered, however much, whoever reads or does not."""

from __future__ import annotations

import gc
import hashlib
import os
import random
import select
import socket
import threading
import time
from typing import Any

import pytest

from appliance.wire import flow
from appliance.wire.attempt import Attempt
from appliance.wire.loop import IN, RDHUP
from appliance.wire.session import Session
from tests.wire.house import FAREWELL

MUCH = 64 * 1024 * 1024


def _send(to: socket.socket, seed: int, digests: dict[str, str], name: str) -> None:
    """MUCH octets in pieces of any size, then the end."""
    source, digest, left = random.Random(seed), hashlib.sha256(), MUCH
    block = source.randbytes(1 << 20)
    while left:
        piece = block[source.randrange(1000) :][: min(left, source.choice((1, 700, 5000, 66000, 1 << 20)))]
        to.sendall(piece)
        digest.update(piece)
        left -= len(piece)
    to.shutdown(socket.SHUT_WR)
    digests[name] = digest.hexdigest()


def _receive(from_: socket.socket, digests: dict[str, str], name: str) -> None:
    digest = hashlib.sha256()
    while piece := from_.recv(1 << 20):
        digest.update(piece)
    digests[name] = digest.hexdigest()


def test_much_both_ways_at_once(bench: Any, eventually: Any) -> None:
    client, store = bench.logged_in()
    digests: dict[str, str] = {}
    threads = [
        threading.Thread(target=_send, args=(client, 1, digests, "up sent")),
        threading.Thread(target=_send, args=(store, 2, digests, "down sent")),
        threading.Thread(target=_receive, args=(client, digests, "down received")),
        threading.Thread(target=_receive, args=(store, digests, "up received")),
    ]
    for end in (client, store):
        end.settimeout(60)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests["up sent"] == digests["up received"]
    assert digests["down sent"] == digests["down received"]
    eventually(lambda: not bench.worker.shared.relays)
    totals = bench.in_loop(bench.worker.census.totals)
    assert totals["octets/imap/in"] == totals["octets/imap/out"] == MUCH
    assert totals["connections/imap"] == 1


def test_last_words_come_before_the_farewell(bench: Any, eventually: Any) -> None:
    """What a store said in the very batch in which its session is ended from here."""
    client, store = bench.logged_in()
    (relay,) = eventually(lambda: list(bench.worker.shared.relays.values()))
    down = relay.down

    def heard_and_ended() -> None:
        store.sendall(b"* 1 EXISTS\r\n")
        while down.kept != b"* 1 EXISTS\r\n":
            down.ready(IN)
        relay.kick()

    bench.in_loop(heard_and_ended)
    heard = b""
    while piece := client.recv(100):
        heard += piece
    assert heard == b"* 1 EXISTS\r\n" + FAREWELL
    store.close()


def test_a_client_that_is_gone_in_the_batch_in_which_it_is_kicked(bench: Any) -> None:
    client, store = bench.logged_in()
    (relay,) = bench.worker.shared.relays.values()

    def gone_and_kicked() -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
        relay.down.later(b"* 1 EXISTS\r\n")
        relay.kick()

    bench.in_loop(gone_and_kicked)
    assert store.recv(1) == b""
    assert not bench.worker.shared.relays


def test_both_ends_in_one_batch_while_the_store_takes_no_more(
    bench: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sending is over, its reading is not."""
    client, store = bench.logged_in()
    (relay,) = bench.worker.shared.relays.values()
    up, down = relay.up, relay.down
    refused: list[bytes] = []

    def full(fd: int, data: bytes) -> int:
        if not refused:
            refused.append(data)
            raise BlockingIOError
        return os.write(fd, data)

    def both_end() -> None:
        monkeypatch.setattr(flow, "write", full)
        client.sendall(b"the last")
        client.shutdown(socket.SHUT_WR)
        store.shutdown(socket.SHUT_WR)
        for direction in (up, down):
            poll = select.poll()
            poll.register(direction.fd, RDHUP)
            assert poll.poll(5000)
            direction.ready(IN | RDHUP)

    bench.in_loop(both_end)
    assert store.recv(100) == b"the last"
    assert store.recv(100) == b""
    eventually(lambda: not bench.worker.shared.relays)
    assert refused == [b"the last"]


def test_a_bug_in_a_relay_ends_it(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client, store = bench.logged_in()

    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(flow, "read", bug)
    client.sendall(b"x")
    assert store.recv(1) == b""


@pytest.mark.parametrize("tail", [b"x", b"y" * 999, b"z" * 70_000])
def test_the_last_octets_and_the_end(bench: Any, eventually: Any, tail: bytes) -> None:
    """They go out together, and nothing is lost with a client that has not read what came before."""
    client, store = bench.logged_in()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)  # less than a segment would make TCP crawl
    before = b"b" * 12_000_000
    store.settimeout(10)
    sender = threading.Thread(target=lambda: (store.sendall(before), store.sendall(tail), store.close()))
    sender.start()
    time.sleep(0.2)
    heard = b""
    while piece := client.recv(1 << 20):
        heard += piece
    sender.join()
    assert heard == before + tail
    client.close()
    eventually(lambda: not bench.worker.shared.relays)


@pytest.mark.parametrize("first", ["client", "store"])
def test_half_close(bench: Any, eventually: Any, first: str) -> None:
    client, store = bench.logged_in()
    one, other = (client, store) if first == "client" else (store, client)
    one.sendall(b"the last")
    one.shutdown(socket.SHUT_WR)
    assert other.recv(100) == b"the last"
    assert other.recv(100) == b""
    for _ in range(3):
        other.sendall(b"still here")
        assert one.recv(100) == b"still here"
    other.close()
    assert one.recv(100) == b""
    eventually(lambda: not bench.worker.shared.relays)


@pytest.mark.parametrize("to_client", [True, False])
def test_nobody_reads(bench: Any, to_client: bool) -> None:
    client, store = bench.logged_in()
    one, other = (store, client) if to_client else (client, store)
    one.settimeout(0.5)
    sent, block = 0, bytes(range(256)) * 4096
    with pytest.raises(TimeoutError):
        while sent < 1 << 30:
            sent += one.send(block[sent % 256 :][: 1 << 19])
    assert sent < 100_000_000
    cpu = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - cpu < 0.2  # nothing spins meanwhile
    one.shutdown(socket.SHUT_WR)
    received, expected = 0, bytes(range(256)) * 4097
    while piece := other.recv(1 << 20):
        assert piece == expected[received % 256 :][: len(piece)]
        received += len(piece)
    assert received == sent


def test_the_other_side_is_not_held_up_by_one_that_does_not_read(bench: Any) -> None:
    client, store = bench.logged_in()
    store.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while True:
            store.send(b"x" * 65536)
    client.sendall(b"a command\r\n")
    assert store.recv(100) == b"a command\r\n"


def test_a_reset_ends_the_other_side(bench: Any) -> None:
    client, store = bench.logged_in()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()
    assert store.recv(100) == b""


def test_a_store_that_dies_mid_literal(bench: Any) -> None:
    client, store = bench.logged_in()
    store.sendall(b"* 1 FETCH (BODY[] {1000}\r\n" + b"x" * 500)
    store.close()
    received = b""
    while piece := client.recv(1000):
        received += piece
    assert received == b"* 1 FETCH (BODY[] {1000}\r\n" + b"x" * 500


def test_the_idle_are_ended_with_a_farewell(bench: Any) -> None:
    client, _store = bench.logged_in()
    (relay,) = bench.worker.shared.relays.values()
    bench.in_loop(lambda: relay.check_idle(bench.loop.now + 100, 2100))
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1)
    bench.in_loop(lambda: relay.check_idle(bench.loop.now + 2200, 2100))
    client.settimeout(5)
    assert client.recv(100) == b"BYE\r\n"
    assert client.recv(100) == b""


def test_what_moves_is_not_idle(bench: Any) -> None:
    client, store = bench.logged_in()
    (relay,) = bench.worker.shared.relays.values()
    client.sendall(b"x")
    assert store.recv(1) == b"x"
    bench.in_loop(lambda: relay.check_idle(bench.loop.now + 2200, 2100))
    bench.in_loop(lambda: relay.check_idle(bench.loop.now + 2300, 2100))
    assert bench.worker.shared.relays


def test_nothing_is_left_of_a_log_in(bench: Any, line_of: Any) -> None:
    sessions, waiting = [bench.logged_in() for _ in range(3)], bench.greeted()
    bench.in_loop(lambda: None)
    things = [thing for thing in gc.get_objects() if isinstance(thing, Session)]
    assert [thing.origin for thing in things if thing.shared is bench.worker.shared] == ["127.0.0.1"]  # the waiting one
    routes = [thing.route for thing in gc.get_objects() if isinstance(thing, Attempt)]
    assert not [route for route in routes if route is not None and route.endpoint is bench.gate.endpoint]
    assert len(sessions) == len(bench.worker.shared.relays) == 3
    waiting.close()


def test_descriptors_are_given_back(bench: Any, eventually: Any) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    for _ in range(20):
        client, store = bench.logged_in()
        client.close()
        assert store.recv(1) == b""
        store.close()
    eventually(lambda: not bench.worker.shared.relays)
    eventually(lambda: count() <= before + 2)
