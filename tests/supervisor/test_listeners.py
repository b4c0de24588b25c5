"""Listening sockets: opened once for each worker, kept, taken over, given up; what cannot be had is named."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from appliance.messages import MAX_DESCRIPTORS, ListenerSpec
from appliance.supervisor import listeners as module
from appliance.supervisor.listeners import Listeners, copies, open_socket
from tests.services.ports import answers, free_port

HOST = "127.0.0.31"


def spec(port: int, service: str = "imap", *, host: str = HOST, tls: bool = False) -> ListenerSpec:
    """An address to listen on."""
    return ListenerSpec(service, f"{host}:{port}", tls)


@pytest.fixture
def port() -> int:
    """Where nothing listens."""
    return free_port(HOST)


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    """For two workers; what is open is closed with the test."""
    made = Listeners(2)
    yield made
    made.want([])


@pytest.fixture
def stranger(port: int) -> Iterator[socket.socket]:
    """Another program of the same user, that would share its port."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((HOST, port))
        other.listen()
        yield other


def test_each_worker_has_a_socket_of_its_own(listeners: Listeners, port: int) -> None:
    assert listeners.want([spec(port)])
    specs, sockets = listeners.of(frozenset({"imap"}))
    assert specs == [spec(port)] and len({one.fileno() for one in sockets}) == 2
    assert listeners.of(frozenset({"pop3"})) == ([], [])
    for one in sockets:
        assert one.getsockname() == (HOST, port) and not one.getblocking()
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not one.get_inheritable()


def test_what_stays_wanted_is_not_touched(listeners: Listeners, port: int) -> None:
    listeners.want([spec(port)])
    before = list(listeners.open[spec(port)])
    other = spec(free_port(HOST))
    assert listeners.want([other, spec(port)])
    assert listeners.open[spec(port)] == before
    assert not listeners.want([spec(port), other]), "nothing changed"


def test_what_is_not_wanted_any_more_is_closed(listeners: Listeners, port: int) -> None:
    listeners.want([spec(port)])
    assert answers(HOST, port)
    assert listeners.want([])
    assert not answers(HOST, port)


def test_another_service_takes_over_a_door_and_its_queue(listeners: Listeners, port: int) -> None:
    listeners.want([spec(port)])
    with socket.create_connection((HOST, port), 5) as waiting:
        assert listeners.want([spec(port, "pop3", tls=True)])
        assert list(listeners.open) == [spec(port, "pop3", tls=True)]
        accepted = []
        for one in listeners.open[spec(port, "pop3", tls=True)]:
            one.settimeout(0.2)
            try:
                accepted.append(one.accept()[0])
            except TimeoutError:
                continue
        assert [one.getpeername() for one in accepted] == [waiting.getsockname()]
        accepted[0].close()


def test_a_door_that_two_want_stays_with_who_has_it(listeners: Listeners, port: int) -> None:
    listeners.want([spec(port)])
    before = list(listeners.open[spec(port)])
    listeners.want([spec(port, "pop3"), spec(port)])
    assert listeners.open == {spec(port): before}
    assert listeners.problems == [f"cannot listen on {HOST}:{port} for pop3: it serves imap already"]


def test_a_port_in_use_is_named_and_the_others_are_opened(
    listeners: Listeners, port: int, stranger: socket.socket
) -> None:
    other = spec(free_port(HOST))
    assert listeners.want([spec(port), other])
    assert listeners.problems == [f"cannot listen on {HOST}:{port} for imap: another program listens there"]
    assert list(listeners.open) == [other]
    stranger.close()
    assert listeners.want([spec(port), other])
    assert not listeners.problems and answers(HOST, port)


@pytest.mark.parametrize(
    ("address", "why"),
    [("192.0.2.9:1143", "Cannot assign requested address"), ("nonsense", "'nonsense' is not HOST:PORT")],
)
def test_an_address_that_is_not_ours_is_named(listeners: Listeners, address: str, why: str) -> None:
    wrong = ListenerSpec("imap", address, False)
    assert not listeners.want([wrong])
    assert listeners.problems == [f"cannot listen on {address} for imap: {why}"]
    assert listeners.try_out([wrong]) == listeners.problems


def test_what_opens_in_part_is_closed_again(
    listeners: Listeners, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[socket.socket] = []

    def opens_once(address: str) -> socket.socket:
        if opened:
            raise OSError(24, "Too many open files")
        opened.append(open_socket(address))
        return opened[0]

    monkeypatch.setattr(module, "open_socket", opens_once)
    assert not listeners.want([spec(port)])
    assert listeners.problems == [f"cannot listen on {HOST}:{port} for imap: Too many open files"]
    assert opened[0].fileno() == -1


def test_trying_out_leaves_nothing_open(listeners: Listeners, port: int) -> None:
    listeners.want([spec(port)])
    free = free_port(HOST)
    assert listeners.try_out([spec(free), spec(port, "pop3")]) == []
    assert not answers(HOST, free)
    assert list(listeners.open) == [spec(port)]


def test_trying_out_names_a_port_in_use(listeners: Listeners, port: int, stranger: socket.socket) -> None:
    expected = [f"cannot listen on {HOST}:{port} for imap: another program listens there"]
    assert listeners.try_out([spec(port)]) == expected


@pytest.mark.parametrize(("before", "after"), [("[::]", HOST), (HOST, "[::]"), ("0.0.0.0", "[::]")])
def test_from_every_address_to_one_and_back(listeners: Listeners, port: int, before: str, after: str) -> None:
    listeners.want([spec(port, host=before)])
    held = [one.dup() for one in listeners.open[spec(port, host=before)]]  # as workers do, for a moment longer
    assert listeners.try_out([spec(port, host=after)]) == []
    assert listeners.want([spec(port, host=after)])
    assert not listeners.problems
    for one in held:
        one.close()
    assert answers(HOST, port)


def test_one_and_every_address_side_by_side(listeners: Listeners, port: int) -> None:
    listeners.want([spec(port), spec(port, host="[::]")])
    assert not listeners.problems and answers(HOST, port) and answers("::1", port)


def test_every_address_means_both_families(listeners: Listeners, port: int) -> None:
    listeners.want([spec(port, host="[::]")])
    assert answers("127.0.0.1", port) and answers("::1", port)


def test_without_ipv6_every_address_means_ipv4(
    listeners: Listeners, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_has_ipv6", lambda: False)
    listeners.want([spec(port, host="[::]")])
    assert not listeners.problems
    assert listeners.open[spec(port, host="[::]")][0].family is socket.AF_INET
    assert answers("127.0.0.1", port) and not answers("::1", port)


def test_how_many_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTERN_WORKERS", raising=False)
    assert copies() >= 1
    for text, number in [("3", 3), ("0", 1), ("100000", MAX_DESCRIPTORS)]:
        monkeypatch.setenv("POSTERN_WORKERS", text)
        assert copies() == number
    for text in ("", "many", "-1"):
        monkeypatch.setenv("POSTERN_WORKERS", text)
        assert copies() >= 1
