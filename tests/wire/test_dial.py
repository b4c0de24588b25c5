"""Connecting to a store: host names, several addresses, the PROXY header."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from appliance.edge.proxyheader import Header, parse
from appliance.wire import dial, resolve
from appliance.wire.dial import Dialling
from appliance.wire.loop import Loop
from appliance.wire.offload import Offload
from appliance.wire.resolve import Resolver

LineOf = Callable[[socket.socket], bytes]


def test_the_store_sees_the_header_first(bench: Any, line_of: LineOf) -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        header = connection.recv(16)
        seen.append(header + connection.recv(header[15]))
        bench.store.welcome(connection)

    bench.store.serve = serve
    bench.gate.endpoint = bench.at_store(client_address="proxy-v2")
    client, _ = bench.logged_in()
    (header,) = seen
    assert parse(header) == Header(len(header), client.getsockname(), 6)
    assert header[20:24] == socket.inet_aton("127.0.0.1")  # where the client connected to
    assert int.from_bytes(header[26:28], "big") == bench.ports[0]


def test_addresses_are_tried_in_turn(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[:2]
    rows = [(socket.AF_INET, 1, 6, "", nobody), (socket.AF_INET, 1, 6, "", ("127.0.0.1", bench.store.port))]
    monkeypatch.setattr(
        resolve, "_look_up", lambda _host, _port: [(int(family), address) for family, _, _, _, address in rows]
    )
    changed = bench.at_store()
    bench.gate.endpoint = type(changed)("beta", "store.example.test", bench.store.port)
    bench.logged_in()


def test_a_name_that_leads_back_to_us(bench: Any, monkeypatch: pytest.MonkeyPatch, line_of: LineOf) -> None:
    ours, store = ("127.0.0.1", bench.ports[0]), ("127.0.0.1", bench.store.port)
    bench.gate.ours = {ours}
    for name, addresses, answer in (("one", [ours, store], b"OK\r\n"), ("two", [ours], b"NO loop\r\n")):
        rows = [(int(socket.AF_INET), address) for address in addresses]
        monkeypatch.setattr(resolve, "_look_up", lambda _host, _port, rows=rows: rows)
        bench.gate.endpoint = type(bench.gate.endpoint)("beta", f"{name}.example.test", 143)
        client = bench.greeted()
        client.sendall(b"maria\r\n")
        assert line_of(client) == answer
    assert not bench.gate.heard("missed")


def test_a_name_that_does_not_exist(bench: Any, line_of: LineOf) -> None:
    changed = bench.at_store()
    bench.gate.endpoint = type(changed)("beta", "nowhere.invalid", 143)
    client = bench.greeted()
    client.sendall(b"maria\r\n")
    assert line_of(client) == b"NO backend-down\r\n"
    assert "nowhere.invalid" in bench.gate.heard("missed")[0]


def test_an_old_answer_serves_while_there_is_no_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop()
    resolver = Resolver(loop, Offload(loop, 1, 1))
    answers: list[Any] = []

    def look_up(host: str, port: int) -> list[resolve.Address]:
        if len(answers) > 1:
            raise OSError("no name server")
        return [(2, ("192.0.2.1", port))]

    monkeypatch.setattr(resolve, "_look_up", look_up)
    for expected in (1, 3, 4):
        while len(answers) < expected:
            assert resolver.known("store.example.test", 143) is None
            resolver.ask("store.example.test", 143, answers.append)
            if expected == 3:
                resolver.ask("store.example.test", 143, answers.append)
            while not answers or len(answers) < expected:
                loop.turn()
        assert resolver.known("store.example.test", 143) == [(2, ("192.0.2.1", 143))]
        loop.now += resolve.KEPT + 1
        assert answers[-1] == [(2, ("192.0.2.1", 143))]
        resolver._known = {key: (0.0, found) for key, (_, found) in resolver._known.items()}


def test_addresses_need_no_question() -> None:
    loop = Loop()
    resolver = Resolver(loop, Offload(loop, 0, 0))
    assert resolver.known("192.0.2.1", 1) == [(socket.AF_INET, ("192.0.2.1", 1))]
    assert resolver.known("2001:db8::1", 1) == [(socket.AF_INET6, ("2001:db8::1", 1))]


def test_small_pieces_do_not_wait_for_each_other(bench: Any) -> None:
    bench.logged_in()
    (relay,) = bench.worker.shared.relays.values()
    for flow in (relay.up, relay.down):
        with socket.socket(fileno=os.dup(flow.fd)) as side:
            assert side.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class Asked:
    """A resolver that answers when told to."""

    def known(self, _host: str, _port: int) -> None:
        return None

    def ask(self, _host: str, _port: int, done: Callable[[Any], None]) -> None:
        self.answer = done


def _dialling(loop: Loop, header: bytes = b"") -> tuple[Dialling, Asked, list[Any]]:
    """One that asks for a name, and what it was told in the end."""
    told: list[Any] = []
    asked = Asked()
    dialling = Dialling(object(), loop, header, not header, loop.now + 5, lambda _session, result: told.append(result))  # type: ignore[arg-type]
    dialling.begin(asked, "store.example.test", 143)  # type: ignore[arg-type]
    return dialling, asked, told


def test_a_name_found_in_the_moment_in_which_the_time_is_over() -> None:
    loop, server = Loop(), socket.create_server(("127.0.0.1", 0))
    before = os.listdir("/proc/self/fd")
    dialling, asked, told = _dialling(loop)
    asked.answer([(int(socket.AF_INET), server.getsockname())])
    dialling.overdue()
    loop.call(lambda: None)
    loop.turn()
    (failed,) = told
    assert failed.why == "no connection in time"
    assert os.listdir("/proc/self/fd") == before  # no connection is left behind
    server.close()


def test_who_gives_up_before_the_connection_is_begun_begins_none() -> None:
    loop, server = Loop(), socket.create_server(("127.0.0.1", 0))
    dialling, asked, told = _dialling(loop)
    asked.answer([(int(socket.AF_INET), server.getsockname())])
    dialling.cancel()
    loop.call(lambda: None)
    loop.turn()
    assert told == []
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.accept()
    server.close()


def test_a_store_that_is_gone_before_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, server = Loop(), socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(dial, "pending_error", lambda _fd: 0)  # the reset comes right after it was asked for
    _, asked, told = _dialling(loop, b"a header")
    asked.answer([(int(socket.AF_INET), server.getsockname())])
    loop.call(lambda: None)
    loop.turn()
    connection, _ = server.accept()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.close()
    loop.turn()
    (failed,) = told
    assert failed.why == "Connection reset by peer"
    server.close()


def test_a_bug_in_dialling_ends_its_session(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    client = bench.greeted()
    monkeypatch.setattr(dial, "SocketType", bug)
    client.sendall(b"maria\r\n")
    assert client.recv(1) == b""
