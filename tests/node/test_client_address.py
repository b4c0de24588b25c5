"""Who the client is: what a node learns from those before it, what it goes by, and what it tells the stores.

Clients stand at other addresses of 127/8 than the load balancer; those in headers are of documentation networks.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.edge.proxyheader import LOCAL, compose
from tests.node.conftest import NewNode, Stores, assert_keeps_secrets, backend, prepare
from tests.services.authority import Authority
from tests.services.dovecot import Dovecot
from tests.services.haproxy import HAProxy
from tests.services.node import Node
from tests.services.people import MAP, MARIA, ON_ALPHA, OTTO, QUOTES, SYNC, Person
from tests.services.ports import eventually
from tests.services.talk import Talk

BALANCER = "127.0.0.5"
CLIENT = "127.0.0.44"
TEXT = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 993\r\n"
BINARY = compose(("2001:db8::7", 56324), ("2001:db8::1", 993), "elsewhere1", 5)


@pytest.fixture(scope="module")
def trusting(run_folder: Path, authority: Authority) -> Iterator[Dovecot]:
    """A store that believes what nodes say of clients."""
    certificate = authority.issue("trusting.example.test", "127.0.0.1")
    users = dict(ON_ALPHA)
    with Dovecot(run_folder / "trusting", "trusting", certificate, users=users, trusted="127.0.0.1") as store:
        yield store


@pytest.fixture(scope="module")
def telling(run_folder: Path, authority: Authority, trusting: Dovecot) -> Iterator[Node]:
    """A node that tells the store of its clients: of Maria by the protocols' own means, of others by PROXY headers."""
    (run_folder / "telling").mkdir()
    node = Node(run_folder / "telling")
    native = backend(trusting, client_address="native")
    headed = {"name": "headed", "imap": f"127.0.0.1:{trusting.haproxied}", "client_address": "proxy-v2"}
    address = f"127.0.0.1:{trusting.haproxied_tls}"
    secured = {**headed, "name": "secured", "imap": address, "tls": "implicit", "tls_ca": str(authority.file)}
    prepare(node, authority, backend=[native, headed, secured])
    node.people({MARIA.address: "trusting", QUOTES.address: "headed", SYNC.address: "secured"})
    with node:
        yield node
    assert_keeps_secrets(node)


@pytest.fixture(scope="module")
def fronted(run_folder: Path, authority: Authority, stores: Stores) -> Iterator[Node]:
    """A node behind a load balancer."""
    (run_folder / "fronted").mkdir()
    node = Node(run_folder / "fronted")
    limits = {"failure_delay": 0, "preauth_per_address": 2}
    prepare(node, authority, backend=[backend(store) for store in stores], limits=limits)
    for service in ("imap", "pop3", "sieve"):
        anybody = 'clear_login_from=["0.0.0.0/0", "::/0"]'
        node.cli("service", "set", service, f'proxy_protocol_from=["{BALANCER}/32"]', anybody)
    node.people(MAP)
    with node:
        yield node
    assert_keeps_secrets(node)


def logged_in(node: Node, header: bytes = b"", source: str = BALANCER, who: Person = MARIA) -> Talk:
    """Somebody's session."""
    talk = Talk(node.host, node.imap, source=source)
    talk.send(header)
    assert talk.line().startswith(b"* OK")
    assert talk.plain(*who)[-1].startswith(b"tag OK")
    return talk


def clients(node: Node) -> list[str]:
    """The addresses of those who are logged in."""
    return [row["from"] for row in node.cli("session", "list") if row["user"]]


# --- what the stores are told ---


def say(node: Node, service: str) -> Talk:
    """Maria, logged in by another protocol."""
    token = base64.b64encode(f"\0{MARIA.address}\0{MARIA.password}".encode())
    command, port, yes = {
        "pop3": (b"AUTH PLAIN %b\r\n" % token, node.pop3, b"+OK"),
        "sieve": (b'AUTHENTICATE "PLAIN" "%b"\r\n' % token, node.sieve, b"OK"),
    }[service]
    talk = Talk(node.host, port, source=CLIENT)
    while not talk.line().startswith(yes):  # the greeting
        pass
    talk.send(command)
    assert talk.line().startswith(yes)
    return talk


@pytest.mark.parametrize("service", ["imap", "pop3", "sieve"])
def test_the_store_logs_the_client_and_our_session(telling: Node, trusting: Dovecot, service: str) -> None:
    with logged_in(telling, source=CLIENT) if service == "imap" else say(telling, service):
        found = re.compile(rf"session=(\w+) service={service} user={MARIA.address} client={CLIENT} ")
        session = eventually(lambda: found.findall(telling.log()), "our log has it")[-1]
        login = re.compile(rf"user=<{MARIA.address}>.* rip={CLIENT}, .*session=<{session}>")
        eventually(lambda: login.search(trusting.log()), "the store's log has it")


@pytest.mark.parametrize(("who", "name"), [(QUOTES, "headed"), (SYNC, "secured")], ids=["clear", "tls"])
def test_the_store_reads_our_proxy_header(telling: Node, trusting: Dovecot, who: Person, name: str) -> None:
    with logged_in(telling, source=CLIENT, who=who):
        trusting.tells(f"user=<{who.address}>, method=PLAIN, rip={CLIENT}, lip=127.0.0.1, ", 1)
    assert telling.cli("backend", "check", name)  # our own visits say that they bring nobody
    assert "haproxy" not in trusting.log()  # no complaint


def test_after_the_log_in_the_store_believes_nothing(telling: Node, trusting: Dovecot) -> None:
    forged = b"ADDR=192.0.2.66 PORT=1 SESSION=forged1 TTL=1"
    with logged_in(telling, source=CLIENT) as imap, say(telling, "pop3") as pop3, say(telling, "sieve") as sieve:
        imap.ask(b'ID ("x-originating-ip" "192.0.2.66" "x-session-id" "forged1" "x-proxy-ttl" "1")')
        assert imap.ask(b"XCLIENT " + forged)[-1].startswith(b"tag BAD")
        for talk, no in ((pop3, b"-ERR"), (sieve, b"NO")):
            talk.send(b"XCLIENT %b\r\n" % forged)
            assert talk.line().startswith(no)
        ended = trusting.log().count("Logged out")
        imap.ask(b"LOGOUT")
        pop3.send(b"QUIT\r\n")
        sieve.send(b"LOGOUT\r\n")
        trusting.tells("Logged out", ended + 3)
    assert "192.0.2.66" not in trusting.log() and "forged1" not in trusting.log()


# --- what a node learns ---


@pytest.mark.parametrize(
    ("header", "client"), [(TEXT, "192.0.2.7"), (BINARY, "2001:db8::7"), (LOCAL, BALANCER)], ids=["1", "2", "local"]
)
def test_headers_name_the_client(fronted: Node, header: bytes, client: str) -> None:
    with logged_in(fronted, header):
        assert [row["user"] for row in fronted.cli("session", "list", "--from", client)] == [MARIA.address]
        eventually(lambda: f"user={MARIA.address} client={client} " in fronted.log(), "the log names the client")


def test_a_header_before_tls(fronted: Node) -> None:
    with Talk(fronted.host, fronted.imaps, source=BALANCER) as talk:
        talk.send(TEXT)
        talk.secure(fronted.tls_context())
        assert talk.line().startswith(b"* OK")
        assert talk.plain(*MARIA)[-1].startswith(b"tag OK")
        assert "192.0.2.7" in clients(fronted)


@pytest.mark.parametrize(("service", "greeting"), [("pop3", b"+OK"), ("sieve", b'"IMPLEMENTATION"')])
def test_other_services(fronted: Node, service: str, greeting: bytes) -> None:
    with Talk(fronted.host, getattr(fronted, service), source=BALANCER) as talk:
        talk.send(TEXT)
        assert talk.line().startswith(greeting)
        assert fronted.cli("session", "list", "--from", "192.0.2.7", "--service", service)


def test_it_can_be_switched_on_and_off_while_running(new_node: NewNode) -> None:
    with new_node() as node:
        logged_in(node, source=BALANCER).ask(b"LOGOUT")
        mapped = f'proxy_protocol_from=["::ffff:{BALANCER}/128"]'
        node.cli("service", "set", "imap", mapped, 'clear_login_from=["192.0.2.0/24", "127.0.0.0/8"]')
        logged_in(node, TEXT).ask(b"LOGOUT")
        node.cli("service", "set", "imap", "proxy_protocol_from=[]")
        logged_in(node, source=BALANCER).ask(b"LOGOUT")


def test_who_may_log_in_without_tls_is_a_matter_of_the_clients_address(new_node: NewNode) -> None:
    node = new_node()
    node.cli("service", "set", "imap", f'proxy_protocol_from=["{BALANCER}"]', f'clear_login_from=["{BALANCER}"]')
    with node, Talk(node.host, node.imap, source=BALANCER) as talk:
        talk.send(TEXT)
        assert b"LOGINDISABLED" in talk.line()


def test_no_header_no_session(fronted: Node) -> None:
    began = time.monotonic()
    silent, hasty = (Talk(fronted.host, fronted.imap, source=BALANCER) for _ in range(2))
    with silent, hasty:
        hasty.send(b"a1 LOGIN maria@example.test %s\r\n" % MARIA.password.encode())
        assert hasty.rest() == b""
        assert time.monotonic() - began < 2
        assert silent.rest() == b""
        assert 2.5 < time.monotonic() - began < 6
    counted = 'postern_turned_away_total{reason="proxy_header",service="imap"}'
    eventually(lambda: fronted.metric(counted) == 2, "both are counted")
    assert 1 <= fronted.log().count(f"no PROXY header for imap from {BALANCER} port ") <= len(fronted.workers())


def test_from_strangers_a_header_is_no_header(fronted: Node) -> None:
    with Talk(fronted.host, fronted.imap, source=CLIENT) as talk:
        assert talk.line().startswith(b"* OK")
        talk.send(TEXT)
        assert talk.line().startswith(b"PROXY BAD")  # a tag, and a verb that there is not
        assert talk.plain(*MARIA)[-1].startswith(b"tag OK")
        assert CLIENT in clients(fronted)


def test_bans_and_limits_are_of_clients(fronted: Node) -> None:
    fronted.cli("ban", "add", "192.0.2.99")
    with Talk(fronted.host, fronted.imap, source=BALANCER) as banned:
        banned.send(TEXT.replace(b".2.7", b".2.99"))
        banned.line()
        assert b"AUTHENTICATIONFAILED" in banned.plain(*MARIA)[-1]
    crowd = []
    for last in range(10, 20):  # more of the balancer's connections than an address may have
        crowd.append(Talk(fronted.host, fronted.imap, source=BALANCER))
        crowd[-1].send(TEXT.replace(b".2.7", b".2.%d" % last))
        assert crowd[-1].line().startswith(b"* OK")
    for talk in crowd:
        with talk:
            assert talk.plain(*MARIA)[-1].startswith(b"tag OK")


# --- real ones before it ---


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_behind_haproxy(fronted: Node, folder: Path, options: str) -> None:
    check = f"{options} check check-send-proxy inter 200ms fall 1"
    complaints = fronted.log().count("no PROXY header")
    front = HAProxy(folder, f"{fronted.host}:{fronted.imap}", check, source=BALANCER)
    with front, Talk(front.host, front.port, source=CLIENT) as talk:
        assert talk.line().startswith(b"* OK")
        assert talk.plain(*MARIA)[-1].startswith(b"tag OK")
        assert CLIENT in clients(fronted)
        time.sleep(1)  # some checks
        assert front.state() == "UP"
        assert talk.ask(b"NOOP")[-1].startswith(b"tag OK")
    assert fronted.log().count("no PROXY header") == complaints


def test_a_node_before_a_node(trusting: Dovecot, new_node: NewNode) -> None:
    inner = new_node("inner", backend=[backend(trusting, client_address="native")], people={MARIA.address: "trusting"})
    inner.cli("service", "set", "imap", 'proxy_protocol_from=["127.0.0.1"]')
    front = {"name": "inner", "imap": f"127.0.0.1:{inner.imap}", "client_address": "proxy-v2"}
    with inner, new_node("outer", backend=[front], people={MARIA.address: "inner"}) as outer:
        before = trusting.log().count("rip=127.0.0.45, ")
        logged_in(outer, source="127.0.0.45").ask(b"LOGOUT")
        trusting.tells("rip=127.0.0.45, ", before + 1)
        eventually(lambda: "client=127.0.0.45 backend=trusting" in inner.log(), "the inner node knows the client")


@pytest.mark.parametrize("way", ["native", "proxy-v2"])
def test_nodes_that_send_each_other_in_circles(new_node: NewNode, way: str) -> None:
    one, two = new_node("one", people={}), new_node("two", people={})
    for node, other in ((one, two), (two, one)):
        if way == "proxy-v2":
            node.configuration["imap"]["proxy_protocol_from"] = ["127.0.0.1"]
        there = {"name": "other", "imap": f"127.0.0.1:{other.imap}", "client_address": way}
        node.apply(backend=[there], limits={"failure_delay": 0, "probe_seconds": 3600})
        node.people({OTTO.address: "other"})
    with one, two, Talk(one.host, one.imap, source=CLIENT) as talk:
        talk.line()
        assert talk.plain(*OTTO)[-1].startswith(b"tag NO ")
        eventually(lambda: "login=loop" in one.log() + two.log(), "a loop is found")
        assert (one.log() + two.log()).count("session=") <= 8
