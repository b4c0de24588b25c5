"""Limits of a node with two workers and three services: one count for all of them, a moment late at most.

Which worker a connection goes to is the kernel's choice, so what must hold at both is tried several times.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from tests.node.conftest import NewNode
from tests.services.node import Node
from tests.services.people import CROWD, MARIA, OTTO, WRONG, Person
from tests.services.ports import eventually
from tests.services.sieve import Sieve
from tests.services.talk import Talk

MOMENT = 0.3  # seconds until all workers know
TRIES = 6


def started(new_node: NewNode, method: str = "backend", **limits: float) -> Node:
    """A node with two workers and these limits."""
    node = new_node(auth={"method": method}, limits={"failure_delay": 0, "drain_seconds": 5, **limits})
    node.start(POSTERN_WORKERS="2")
    return node


class Tried:
    """A connection to one of the services, and what its log-in was answered."""

    def __init__(self, node: Node, service: str, who: str, password: str, source: str = "") -> None:
        port = {"imap": node.imap, "pop3": node.pop3, "sieve": node.sieve}[service]
        self.talk = (Sieve if service == "sieve" else Talk)(node.host, port, source=source)
        self.began = time.monotonic()
        self.answer = getattr(self, service)(who, password)
        self.took = time.monotonic() - self.began
        self.is_in = b"OK" in self.answer.split(b" ", 2)[0 if service != "imap" else 1]

    def imap(self, who: str, password: str) -> bytes:
        """RFC 9051."""
        self.talk.line()
        return self.talk.plain(who, password)[-1]

    def pop3(self, who: str, password: str) -> bytes:
        """RFC 1939."""
        self.talk.line()
        self.talk.send(f"USER {who}\r\n".encode())
        self.talk.line()
        self.talk.send(f"PASS {password}\r\n".encode())
        return self.talk.line()

    def sieve(self, who: str, password: str) -> bytes:
        """RFC 5804."""
        assert isinstance(self.talk, Sieve)
        self.talk.answer()
        return self.talk.plain(who, password)[-1]

    def close(self) -> None:
        """Hang up."""
        self.talk.__exit__()


@contextmanager
def sessions(node: Node, *wanted: tuple[str, Person], source: str = "") -> Iterator[list[Tried]]:
    """Sessions that are open, at these services for these people, known to all workers."""
    with ExitStack() as stack:
        made = []
        for service, who in wanted:
            made.append(Tried(node, service, *who, source))
            stack.callback(made[-1].close)
            assert made[-1].is_in, made[-1].answer
            time.sleep(MOMENT)
        yield made


def all_hear(node: Node, service: str, who: Person, beginning: bytes) -> None:
    """Wait until every one of several log-ins, which end at once, is told this."""

    def answers() -> list[bytes]:
        tried = [Tried(node, service, *who) for _ in range(TRIES)]
        for one in tried:
            one.close()
        return [one.answer for one in tried]

    eventually(lambda: all(one.startswith(beginning) for one in answers()), f"all hear {beginning!r}", pause=MOMENT)


def test_one_mailbox_has_so_many_sessions_at_all_services_and_workers(new_node: NewNode) -> None:
    node = started(new_node, sessions_per_account=4)
    with sessions(node, ("imap", OTTO), ("sieve", OTTO), ("pop3", OTTO), ("imap", OTTO)) as made:
        all_hear(node, "imap", OTTO, b"tag NO [LIMIT] Too many connections or attempts, try again later.")
        all_hear(node, "sieve", OTTO, b"NO (TRYLATER) ")
        assert Tried(node, "imap", *CROWD[0]).is_in, "another mailbox"
        _shown(node)
        made[2].close()
        for _ in range(TRIES):
            eventually(lambda: _let_in(node, OTTO), "one less makes room", pause=MOMENT)
    assert 'login=limit ' in node.log() and 'why="sessions_per_account is 4"' in node.log()


def _let_in(node: Node, who: Person) -> bool:
    tried = Tried(node, "imap", *who)
    tried.close()
    return tried.is_in


def _shown(node: Node) -> None:
    explained = node.cli("route", OTTO.address, status=1)
    assert (explained["verdict"], explained["refusal"], explained["told"]) == ("temporary", "limit", "NO [LIMIT]")
    assert explained["steps"][-1]["result"] == "the mailbox has 4 of at most 4"
    assert node.cli("route", CROWD[0].address)["steps"][-1]["result"].startswith("the mailbox has 0 of")
    assert "4 of at most 4 sessions of this mailbox" in node.run("session", "list", "--user", OTTO.address).stderr
    for service in ("imap", "sieve"):
        reason = f'postern_turned_away_total{{reason="sessions_per_account",service="{service}"}}'
        eventually(lambda of=reason: node.metric(of) >= TRIES, "what was refused is counted")  # type: ignore[misc]


def test_pop3_says_it_in_its_own_words(new_node: NewNode) -> None:
    node = started(new_node, sessions_per_account=1)
    with sessions(node, ("imap", OTTO)):
        all_hear(node, "pop3", OTTO, b"-ERR [IN-USE] Too many connections")


def test_one_address_has_so_many_sessions(new_node: NewNode) -> None:
    node = started(new_node, sessions_per_address=3)
    with sessions(node, ("imap", CROWD[1]), ("pop3", CROWD[2]), ("sieve", CROWD[3])):
        all_hear(node, "imap", CROWD[4], b"tag NO [LIMIT]")
        with sessions(node, ("imap", CROWD[4]), source="127.0.0.78"):
            explained = node.cli("route", CROWD[4].address, "--from", "127.0.0.1", status=1)
            assert explained["steps"][-1]["result"] == "the mailbox has 1 of at most 100, the address 3 of at most 3"
            assert node.cli("route", CROWD[4].address, "--from", "127.0.0.78")["verdict"] == "route"


def test_who_waits_counts_over_workers_and_the_newest_stay(new_node: NewNode) -> None:
    node = started(new_node, preauth_per_address=8)
    ports = (node.imap, node.pop3, node.sieve)
    elsewhere = Talk(node.host, node.imap, source="127.0.0.79")
    silent = [_greeted(node, ports[number % 3]) for number in range(45)]
    eventually(lambda: len(_ended(silent)) >= 45 - 8, "all but some are shown out")
    time.sleep(1)
    assert len(_ended(silent)) <= 45 - 8 + 2, "as the workers hear of each other, each may show out one too many"
    assert 44 not in _ended(silent), "the newest had to go"
    assert silent[0].rest() == b"* BYE Too busy, try again later\r\n"
    assert elsewhere.line() and elsewhere.plain(*MARIA)[-1].startswith(b"tag OK")
    assert Tried(node, "imap", *MARIA).is_in


def _greeted(node: Node, port: int) -> Talk:
    talk = Talk(node.host, port)
    assert talk.line(), "greeted, and silent from then on"
    return talk


def _ended(talks: list[Talk]) -> set[int]:
    """Which of them the other side has closed, whatever it said before."""
    closed = select.poll()
    for talk in talks:
        closed.register(talk.socket, select.POLLRDHUP)
    fds = {fd for fd, _ in closed.poll(0)}
    return {number for number, talk in enumerate(talks) if talk.socket.fileno() in fds}


def test_a_flood_of_the_silent_locks_nobody_out(new_node: NewNode) -> None:
    node = started(new_node, connections=32, preauth_per_address=1000)
    with sessions(node, ("imap", OTTO)) as (working,):
        flood = []
        for number in range(300):
            flood.append(_greeted(node, (node.imap, node.pop3, node.sieve)[number % 3]))
            if number % 50 == 0:
                tried = Tried(node, "imap", *MARIA)
                assert tried.is_in, tried.answer
                tried.close()
        assert working.talk.ask(b"NOOP")[-1].startswith(b"tag OK")
    assert len(_ended(flood)) >= 300 - 16, "half of all places are not for them"


def test_failures_over_one_service_delay_all_at_both_workers(new_node: NewNode) -> None:
    node = started(new_node, "internal", failure_delay=0.3, failure_delay_max=4.8)  # a store would add its own delays
    node.cli("account", "add", MARIA.address, stdin=f"{MARIA.password}\n{MARIA.password}\n")
    for number in range(3):
        assert not Tried(node, "pop3", MARIA.address, f"{WRONG}{number}").is_in
    for service in ("imap", "sieve"):
        took = _at_once(node, service, MARIA.address, f"{WRONG}2")
        assert all(1.2 <= seconds < 2.3 for seconds in took), f"{service}: the third guess, repeated: {took}"
    assert Tried(node, "imap", *MARIA).took < 1, "a right password is not delayed"
    time.sleep(MOMENT)
    for _ in range(TRIES):
        elsewhere = Tried(node, "sieve", MARIA.address, f"{WRONG}2", "127.0.0.80")
        assert elsewhere.took < 1, "who got in is forgiven by all workers"


def _at_once(node: Node, service: str, who: str, password: str) -> list[float]:
    """How long each of several log-ins took."""
    with ThreadPoolExecutor(TRIES) as pool:
        tried = [pool.submit(Tried, node, service, who, password) for _ in range(TRIES)]
        return [one.result().took for one in tried]


def test_a_ban_holds_at_all_services_and_workers(new_node: NewNode) -> None:
    node = started(new_node)
    wrong = {service: Tried(node, service, OTTO.address, WRONG).answer for service in ("imap", "pop3", "sieve")}
    node.cli("ban", "add", OTTO.address)
    for service, answer in wrong.items():
        all_hear(node, service, OTTO, answer)
    node.cli("ban", "lift", OTTO.address)
    for service in wrong:
        assert Tried(node, service, *OTTO).is_in


@pytest.mark.parametrize("gone", ["controller", "workers"])
def test_counts_outlive_nobody(new_node: NewNode, gone: str) -> None:
    node = started(new_node, sessions_per_account=2)
    with sessions(node, ("imap", OTTO), ("imap", OTTO)):
        all_hear(node, "imap", OTTO, b"tag NO [LIMIT]")
        if gone == "workers":
            before = node.workers()
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            eventually(lambda: len(node.workers()) == 2 and not set(before) & set(node.workers()), "new workers")
            eventually(lambda: Tried(node, "imap", *OTTO).is_in, "the sessions of the dead are forgotten")
            return
        before = [node.controller()]
        os.kill(before[0], signal.SIGKILL)
        assert Tried(node, "imap", *MARIA).is_in, "log-ins go on"
        eventually(lambda: node.processes("control.server") and node.controller() not in before, "a new one", 30)
        eventually(lambda: node.metric("postern_workers") == 2, "the workers have found it")
        all_hear(node, "imap", OTTO, b"tag NO [LIMIT]")


def test_without_the_controller_each_worker_counts_its_own(new_node: NewNode) -> None:
    node = started(new_node, sessions_per_account=2)
    os.kill(node.controller(), signal.SIGSTOP)
    tried = [Tried(node, "imap", *OTTO) for _ in range(12)]
    assert 2 <= sum(one.is_in for one in tried) <= 4
    assert all(one.is_in or one.answer.startswith(b"tag NO [LIMIT]") for one in tried)
