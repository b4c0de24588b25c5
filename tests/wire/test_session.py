"""Sessions up to the hand-over: what reaches whom, limits in octets and seconds, vanishing peers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from appliance.messages import Kick, ListSessions
from appliance.protocols.conversation import CLIENT, Conversation, Door, ReadExactly, Send
from appliance.terms import Credentials, Endpoint, Peer, Refusal, Secret, Service
from appliance.wire.attempt import LONGEST, Attempt

LineOf = Callable[[socket.socket], bytes]


def test_a_log_in_reaches_the_store_and_is_recorded(bench: Any, line_of: LineOf) -> None:
    client, store = bench.logged_in()
    client.sendall(b"to the store\r\n")
    assert line_of(store) == b"to the store\r\n"
    store.sendall(b"to the client\r\n")
    assert line_of(client) == b"to the client\r\n"
    assert bench.gate.heard("welcomed") == ["maria"]
    assert bench.gate.heard("reached") == [bench.gate.endpoint]


def test_early_octets_follow_the_log_in_once_and_in_order(bench: Any, line_of: LineOf) -> None:
    early = b"".join(b"%d early\r\n" % number for number in range(3000))  # more than is read ahead
    client = bench.connect()
    client.sendall(b"maria\r\n" + early)
    store = bench.store.next()
    received = b""
    while len(received) < len(early):
        received += store.recv(65536)
    assert received == early
    assert line_of(client) + line_of(client) == b"HI\r\nOK\r\n"


def test_early_octets_of_the_store_reach_the_client(bench: Any) -> None:
    def eager(connection: socket.socket) -> None:
        connection.sendall(b"HELLO\r\n")
        connection.recv(100)
        connection.sendall(b"OK\r\nand more\r\n")
        bench.store.keep(connection)

    bench.store.serve = eager
    client = bench.greeted()
    client.sendall(b"maria\r\n")
    received = b""
    while len(received) < 14:
        received += client.recv(100)
    assert received == b"OK\r\nand more\r\n"


def test_octet_by_octet_from_both_sides(bench: Any, line_of: LineOf) -> None:
    def slowly(connection: socket.socket) -> None:
        for octet in b"HELLO\r\n":
            connection.sendall(bytes([octet]))
            time.sleep(0.002)
        line_of(connection)
        for octet in b"OK\r\n":
            connection.sendall(bytes([octet]))
            time.sleep(0.002)
        bench.store.keep(connection)

    bench.store.serve = slowly
    client = bench.greeted()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in b"maria\r\n":
        client.sendall(bytes([octet]))
        time.sleep(0.002)
    assert line_of(client) == b"OK\r\n"


def test_a_client_that_has_closed_its_half_still_gets_its_answers(bench: Any) -> None:
    client = bench.connect()
    client.sendall(b"maria\r\nlast words\r\n")
    client.shutdown(socket.SHUT_WR)
    store = bench.store.next()
    received = b""
    while chunk := store.recv(100):
        received += chunk
    assert received == b"last words\r\n"
    store.sendall(b"understood\r\n")
    store.close()
    received = b""
    while chunk := client.recv(100):
        received += chunk
    assert received == b"HI\r\nOK\r\nunderstood\r\n"


def test_the_verdict_may_come_later(bench: Any, eventually: Any, line_of: LineOf) -> None:
    client = bench.greeted()
    client.sendall(b"later\r\n")
    eventually(lambda: bench.gate.later)
    bench.in_loop(bench.gate.later[0])
    assert line_of(client) == b"OK\r\n"


def test_a_verdict_for_a_client_that_has_left_is_dropped(bench: Any, eventually: Any) -> None:
    client = bench.greeted()
    client.sendall(b"later\r\n")
    eventually(lambda: bench.gate.later)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()
    eventually(lambda: not bench.worker.shared.room.all)
    bench.in_loop(bench.gate.later[0])
    assert not bench.gate.heard("welcomed")


def test_a_refusal_is_held_and_told(bench: Any, line_of: LineOf) -> None:
    bench.gate.hold = 0.3
    client = bench.greeted()
    began = time.monotonic()
    client.sendall(b"nobody\r\n")
    assert line_of(client) == b"NO bad-credentials\r\n"
    assert time.monotonic() - began >= 0.25
    client.sendall(b"QUIT\r\n")
    assert line_of(client) == b"QUITTING\r\n"
    assert client.recv(1) == b""


@pytest.mark.parametrize("words", [b"", b"HEL", b"HELLO\r\n"])
def test_a_store_that_dies_before_its_verdict_is_missed(bench: Any, line_of: LineOf, words: bytes) -> None:
    def dying(connection: socket.socket) -> None:
        connection.sendall(words)
        connection.close()

    bench.store.serve = dying
    client = bench.greeted()
    client.sendall(b"maria\r\n")
    assert line_of(client) == b"NO backend-down\r\n"
    assert len(bench.gate.heard("missed")) == 1


def test_a_store_that_is_not_there(bench: Any, line_of: LineOf) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        bench.gate.endpoint = Endpoint("beta", "127.0.0.1", closed.getsockname()[1])
    client = bench.greeted()
    client.sendall(b"maria\r\n")
    assert line_of(client) == b"NO backend-down\r\n"
    assert bench.gate.heard("missed") == ["Connection refused"]


def test_a_store_that_keeps_silent_uses_up_its_time(bench: Any, line_of: LineOf) -> None:
    bench.limit(connect_seconds=0.5, login_seconds=1.5)
    bench.store.serve = lambda connection: time.sleep(5)
    client = bench.greeted()
    client.sendall(b"maria\r\n")
    began = time.monotonic()
    assert line_of(client) == b"NO backend-down\r\n"
    assert 1 < time.monotonic() - began < 4


def test_a_silent_client_is_cut(bench: Any) -> None:
    bench.limit(preauth_read_seconds=0.5)
    client = bench.greeted()
    assert client.recv(1) == b""


def test_a_trickling_client_is_cut(bench: Any) -> None:
    bench.limit(preauth_seconds=1.5, preauth_read_seconds=1)
    client = bench.greeted()
    began = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - began < 10:
            client.sendall(b"x")
            time.sleep(0.05)
    assert time.monotonic() - began < 8


def test_too_many_octets_before_log_in(bench: Any) -> None:
    bench.limit(preauth_bytes=5000)

    def patient(door: Door) -> Conversation:
        while True:
            yield ReadExactly(CLIENT, 100)

    bench.conversation = patient
    client = bench.connect()
    client.sendall(b"x" * 4900)
    time.sleep(0.1)
    assert len(bench.worker.shared.room.all) == 1
    client.sendall(b"x" * 400)
    assert client.recv(1) == b""


def test_a_line_without_end(bench: Any) -> None:
    client = bench.greeted()
    client.sendall(b"x" * 1001)
    assert client.recv(1) == b""


def test_a_client_ahead_is_made_to_wait(bench: Any, eventually: Any) -> None:
    client = bench.greeted()
    client.sendall(b"later\r\n")
    eventually(lambda: bench.gate.later)
    client.settimeout(0.5)
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < 64_000_000:
            sent += client.send(b"x" * 65536)
    (session,) = bench.worker.shared.room.all
    assert len(session.client.inbox) <= 32768


def test_a_bug_in_a_conversation_ends_one_session(bench: Any, line_of: LineOf) -> None:
    def buggy(door: Door) -> Conversation:
        yield Send(CLIENT, b"so far so good\r\n")
        raise ZeroDivisionError

    bystander = bench.greeted()
    bench.conversation = buggy
    victim = bench.connect()
    assert victim.recv(100) in (b"", b"so far so good\r\n")
    bystander.sendall(b"maria\r\n")
    assert line_of(bystander) == b"OK\r\n"
    assert not bench.worker.shared.room.all


def test_sessions_are_listed_with_their_state_and_kicked(bench: Any, eventually: Any, line_of: LineOf) -> None:
    mute: list[socket.socket] = []
    bench.store.serve = mute.append
    waiting = bench.greeted()
    waiting.sendall(b"otto\r\n")
    eventually(lambda: mute)
    bench.store.serve = bench.store.welcome
    client, store = bench.logged_in()
    client.sendall(b"12345")
    assert store.recv(5) == b"12345"
    census = bench.worker.census
    rows = {row.user: row for row in bench.in_loop(lambda: list(census.sessions(ListSessions(1))))}
    assert rows["maria"].octets_in == 5
    assert rows["maria"].backend == rows["otto"].backend == "beta"
    assert rows["otto"].state in ("connecting to the back-end", "waiting for the back-end's greeting")
    assert bench.in_loop(lambda: census.kick(Kick(1, user="otto"))) == 1
    assert bench.in_loop(lambda: census.kick(Kick(1, ids=[rows["maria"].id]))) == 1
    assert bench.in_loop(lambda: census.kick(Kick(1))) == 0
    for ended in (waiting, client):
        assert line_of(ended) == b"BYE\r\n"
        assert ended.recv(1) == b""


def test_every_log_in_is_one_line_and_strangers_write_no_other(bench: Any, line_of: LineOf) -> None:
    outcomes: list[Any] = []
    bench.worker.shared.record = outcomes.append
    bench.logged_in()
    client = bench.greeted()
    client.sendall(b"nobody\r\n")
    line_of(client)
    assert [outcome.refusal for outcome in outcomes] == ["", Refusal.BAD_CREDENTIALS]
    assert all(len(outcome.ms) == 4 and outcome.ms[3] > 0 for outcome in outcomes)


def test_what_strangers_and_stores_say_is_recorded_as_far_as_it_is_of_use() -> None:
    attempt = Attempt(Peer(Service.IMAP, "192.0.2.7", 40000, True), Credentials("u" * 30_000, Secret(b"x")))
    attempt.trouble = "no" * 30_000
    outcome = attempt.outcome("s", 0.0, Refusal.BACKEND_REFUSED, "why")
    assert outcome.user == "u" * LONGEST
    assert len(outcome.why) == LONGEST and outcome.why.startswith("why: no")
