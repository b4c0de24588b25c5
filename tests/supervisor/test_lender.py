"""What the configuration wants is opened and lent to the roles, in as many packets as it takes."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from appliance import messages, packets
from appliance.cluster.log import Op, put_object
from appliance.control.node import Node
from appliance.home import Home
from appliance.supervisor.lender import Lender
from appliance.supervisor.roles import Instance
from tests.control.running import TESTER
from tests.services.ports import answers, free_port

HOST = "127.0.0.32"

Make = Callable[..., Lender]


def configure(home: Home, *ops: Op) -> None:
    """Change the configuration of a node that is stopped."""
    with contextlib.closing(Node.open(home)) as node:
        node.change(TESTER, "as the test wants", list(ops))


def imap(**body: Any) -> Op:
    """What [imap] says."""
    return put_object("imap", "", {"listen": [], "listen_tls": [], **body})


@pytest.fixture
def said() -> list[str]:
    """What was told to the administrator."""
    return []


@pytest.fixture
def instances() -> list[Instance]:
    """The supervisor's list."""
    return []


@pytest.fixture
def make(home: Home, instances: list[Instance], said: list[str]) -> Iterator[Make]:
    """Makes a lender on the home, for IMAP alone."""
    configure(home, *(put_object(service, "", {"enabled": False}) for service in ("pop3", "sieve")))
    made: list[Lender] = []

    def make(copies: int = 2, roles: tuple[str, ...] = ("controller", "sessions")) -> Lender:
        made.append(Lender(home, roles, copies, instances, said.append))
        return made[-1]

    yield make
    for lender in made:
        lender.close()


@pytest.fixture
def role(instances: list[Instance]) -> Iterator[socket.socket]:
    """The other end of the link of a sessions role."""
    ours, theirs = packets.pair()
    instances.append(Instance("sessions", "sessions-1", link=ours))
    yield theirs
    ours.close()
    theirs.close()


def lent(role: socket.socket) -> tuple[list[messages.Listeners], list[tuple[str, int]]]:
    """What a role was told, and the addresses of the sockets that came with it, closed again."""
    told, places = [], []
    while received := packets.receive(role):
        if not received[0]:
            break
        message = messages.decode_from_supervisor(received[0])
        assert isinstance(message, messages.Listeners)
        told.append(message)
        for descriptor in received[1]:
            with socket.socket(fileno=descriptor) as one:
                places.append(one.getsockname()[:2])
    return told, places


def test_only_the_roles_that_run_here_are_served(home: Home, make: Make) -> None:
    port = free_port(HOST)
    configure(home, imap(listen=[f"{HOST}:{port}"]))
    make(roles=("controller",)).renew()
    assert not answers(HOST, port)
    make().renew()
    assert answers(HOST, port)


def test_a_node_has_addresses_of_its_own(home: Home, make: Make) -> None:
    everywhere, here = free_port(HOST), free_port(HOST)
    configure(home, imap(listen=[f"{HOST}:{everywhere}"]),
              put_object("node", "mail1", {"imap": {"listen": [f"{HOST}:{here}"]}}),
              put_object("node", "mail2", {"imap": {"listen": ["192.0.2.9:1"]}}))
    lender = make()
    lender.renew()
    assert lender.problems == []
    assert answers(HOST, here) and not answers(HOST, everywhere)


def test_a_role_is_handed_each_address_once_for_each_worker(home: Home, make: Make, role: socket.socket) -> None:
    clear, tls = f"{HOST}:{free_port(HOST)}", f"{HOST}:{free_port(HOST)}"
    configure(home, imap(listen=[clear], listen_tls=[tls]))
    make(copies=3).renew()
    (told,), places = lent(role)
    assert [(spec.address, spec.tls) for spec in told.specs] == [(clear, False), (tls, True)]
    assert told.copies == 3 and not told.more
    assert [f"{host}:{port}" for host, port in places] == [clear] * 3 + [tls] * 3


def test_more_than_fit_a_packet_come_in_parts(home: Home, make: Make, role: socket.socket) -> None:
    role.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    wanted = [f"127.0.0.{100 + number // 50}:{20000 + number}" for number in range(130)]
    configure(home, imap(listen=wanted))
    make(copies=2).renew()
    told, places = lent(role)
    assert [len(part.specs) for part in told] == [100, 30]
    assert [part.more for part in told] == [True, False]
    assert [spec.address for part in told for spec in part.specs] == wanted
    assert [f"{host}:{port}" for host, port in places] == [address for address in wanted for _ in range(2)]


def test_nothing_changed_nothing_told(home: Home, make: Make, role: socket.socket) -> None:
    configure(home, imap(listen=[f"{HOST}:{free_port(HOST)}"]))
    lender = make()
    lender.renew()
    lent(role)
    lender.renew()
    assert lent(role) == ([], [])


def test_nothing_to_listen_on_is_told_too(
    home: Home, make: Make, role: socket.socket, instances: list[Instance]
) -> None:
    configure(home, imap())
    make().hand_out(instances[0])
    (told,), places = lent(role)
    assert (told.specs, told.copies, told.more, places) == ([], 2, False, [])


def test_a_role_that_does_not_read_is_hung_up_on(
    home: Home, make: Make, role: socket.socket, instances: list[Instance]
) -> None:
    configure(home, imap(listen=[f"{HOST}:{free_port(HOST)}"]))
    lender = make()
    lender.renew()
    for _ in range(2000):
        lender.hand_out(instances[0])
    lent(role)
    assert packets.receive(role) == (b"", []), "it comes back, and is told everything anew"


def test_a_port_in_use_is_said_once_and_tried_again(home: Home, make: Make, said: list[str]) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        configure(home, imap(listen=[f"{HOST}:{port}"]))
        lender = make()
        lender.renew()
        first = lender.retry_at
        lender.renew()
        assert lender.retry_at > first
        problem = f"cannot listen on {HOST}:{port} for imap: another program listens there"
        assert lender.problems == [problem] and said == [f"{problem}; trying again every 2 s"]
    lender.renew()
    assert lender.problems == [] and lender.retry_at == float("inf") and answers(HOST, port)


def test_a_database_that_cannot_be_read_closes_nothing(
    home: Home, make: Make, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port(HOST)
    configure(home, imap(listen=[f"{HOST}:{port}"]))
    lender = make()
    lender.renew()

    def fails(_path: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr("appliance.supervisor.lender.reader", fails)
        lender.renew()
    assert answers(HOST, port)
    assert said == ["cannot read which addresses to listen on: disk I/O error; trying again every 2 s"]
    lender.renew()
    assert lender.problems == []


def test_once_closed_it_opens_nothing_more(home: Home, make: Make) -> None:
    port = free_port(HOST)
    configure(home, imap(listen=[f"{HOST}:{port}"]))
    lender = make()
    lender.renew()
    lender.close()
    lender.renew()
    assert not answers(HOST, port)


def test_nothing_leaks(home: Home, make: Make, role: socket.socket) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    lender, addresses = make(), [f"{HOST}:{free_port(HOST)}" for _ in range(2)]
    configure(home, imap())
    lender.renew()
    before = count()
    for number in range(6):
        configure(home, imap(listen=[addresses[number % 2]]))
        lender.renew()
        lent(role)
    configure(home, imap())
    lender.renew()
    lent(role)
    assert count() == before
