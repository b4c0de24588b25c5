"""What a worker does when there are too many: who gives way before log-in, and who is refused at its end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from appliance.messages import Held
from appliance.terms import Refusal

LineOf = Callable[[socket.socket], bytes]


def test_the_oldest_of_an_address_gives_way(bench: Any) -> None:
    bench.limit(preauth_per_address=3)
    clients = [bench.greeted() for _ in range(5)]
    for old in clients[:2]:
        assert old.recv(100) == b"BYE\r\n"
        assert old.recv(100) == b""
    assert len(bench.worker.shared.room.all) == 3


def test_the_oldest_of_all_gives_way(bench: Any) -> None:
    bench.limit(connections=8, preauth_share=0.5)
    clients = [bench.greeted() for _ in range(5)]
    assert clients[0].recv(100) == b"BYE\r\n"
    assert len(bench.worker.shared.room.all) == 4


def test_whoever_gives_way_is_counted(bench: Any, eventually: Any) -> None:
    bench.limit(preauth_per_address=2, connections=8, preauth_share=0.5)
    clients = [bench.greeted() for _ in range(4)]
    eventually(lambda: len(bench.worker.shared.room.all) == 2)
    assert bench.worker.census.totals()["turned_away/imap/preauth_per_address"] == 2
    assert [client.recv(100) for client in clients[:2]] == [b"BYE\r\n"] * 2


def test_a_flood_of_silent_clients_keeps_nobody_out(bench: Any, line_of: LineOf) -> None:
    bench.limit(connections=16, preauth_share=0.5, preauth_per_address=1000)
    flood: list[socket.socket] = []
    sessions = []
    for _ in range(10):
        flood += [bench.connect() for _ in range(20)]
        sessions.append(bench.logged_in())
    for client, store in sessions:
        client.sendall(b"at work\r\n")
        assert line_of(store) == b"at work\r\n"
    assert len(bench.worker.shared.relays) == 10
    assert line_of(flood[0]) == b"HI\r\n" and line_of(flood[0]) == b"BYE\r\n"


@pytest.mark.parametrize("limit", ["sessions_per_account", "sessions_per_address"])
def test_one_session_too_many_is_refused_and_one_less_makes_room(
    bench: Any, line_of: LineOf, eventually: Any, limit: str
) -> None:
    bench.limit(**{limit: 2})
    sessions = [bench.logged_in() for _ in range(2)]
    late = bench.greeted()
    late.sendall(b"maria\r\n")
    assert line_of(late) == b"NO limit\r\n"
    assert bench.gate.heard("refused") == [Refusal.LIMIT]
    assert bench.worker.census.totals()[f"turned_away/imap/{limit}"] == 1
    late.sendall(b"otto\r\n")
    assert line_of(late) == (b"OK\r\n" if limit == "sessions_per_account" else b"NO limit\r\n")
    for end in sessions[0]:
        end.close()
    eventually(lambda: len(bench.worker.shared.relays) == (2 if limit == "sessions_per_account" else 1))
    bench.logged_in()


def test_sessions_at_other_workers_count(bench: Any, line_of: LineOf, eventually: Any) -> None:
    bench.limit(sessions_per_account=3)
    session = bench.logged_in()
    bench.in_loop(lambda: bench.worker._hear(Held({"account maria": 2})))
    late = bench.greeted()
    late.sendall(b"maria\r\n")
    assert line_of(late) == b"NO limit\r\n"
    bench.in_loop(lambda: bench.worker._hear(Held({"account maria": 1})))
    late.sendall(b"maria\r\n")
    assert line_of(late) == b"OK\r\n"
    assert len(bench.worker.shared.relays) == 2 and session


def test_without_sessions_nothing_is_counted(bench: Any, eventually: Any) -> None:
    bench.limit(sessions_per_account=0)
    for client, store in [bench.logged_in() for _ in range(5)]:
        client.close()
        store.close()
    eventually(lambda: not bench.worker.shared.relays)
    crowds = bench.worker.shared.crowds
    assert not crowds.address.here and not crowds.account.here and not crowds.news()


def test_a_full_node_turns_the_next_away(bench: Any) -> None:
    bench.limit(connections=2)
    sessions = [bench.logged_in() for _ in range(2)]
    assert bench.connect().recv(100) == b"BYE\r\n"
    assert len(sessions) == len(bench.worker.shared.relays)
