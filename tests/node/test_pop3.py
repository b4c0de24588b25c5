"""POP3 with real clients, against real stores: through the node exactly as directly.

Python's poplib, curl and openssl s_client; clear, STLS and implicit TLS; a mailbox that is locked, a session kicked.
"""

from __future__ import annotations

import base64
import poplib
import re
import subprocess
from pathlib import Path

import pytest

from tests.node.conftest import NewNode, Stores, backend
from tests.node.test_sessions import MESSAGE, curl
from tests.services.authority import Authority
from tests.services.dovecot import MASTER, Dovecot
from tests.services.mailboxes import fill
from tests.services.node import Node
from tests.services.people import CROWD, JOERG, MARIA, OTTO, QUOTES, WRONG, Person
from tests.services.ports import eventually
from tests.services.talk import Talk

IN_USE = b"-ERR [IN-USE] "
FAILED = b"-ERR [AUTH] Authentication failed."
WAYS = ["clear", "stls", "tls"]
ADDRESS = CROWD[0]  # whose mailbox no other story opens by POP3


def connected(host: str, ports: tuple[int, int], way: str, authority: Authority) -> poplib.POP3:
    """A connection, greeted."""
    if way == "tls":
        return poplib.POP3_SSL(host, ports[1], timeout=60, context=authority.client())
    client = poplib.POP3(host, ports[0], timeout=60)
    if way == "stls":
        client.stls(authority.client())
    return client


def deliver(store: Dovecot, who: Person, count: int) -> None:
    """Make a mailbox hold so many messages, and no others."""
    fill(store, who, [MESSAGE + b"%d\r\n.\r\n..\r\n" % number for number in range(count)])


def token(who: Person, authzid: str = "") -> bytes:
    """A PLAIN message."""
    return f"{authzid}\0{who.address}\0{who.password}".encode()


def full_session(client: poplib.POP3, who: Person) -> list[object]:
    """Everything the store says in a session that leaves no trace."""
    said: list[object] = [client.user(who.address)[:3], client.pass_(who.password), client.capa(), client.stat()]
    said += [client.list(), client.uidl(), client.list(1), client.uidl(2), client.retr(1), client.top(2, 3)]
    said += [client.dele(1), client.stat(), client.rset(), client.stat(), client.noop(), client.quit()]
    return said


def session_of(node: Node, who: Person) -> Talk:
    """A session, logged in with its first packet."""
    talk = Talk(node.host, node.pop3)
    talk.send(f"USER {who.address}\r\nPASS {who.password}\r\n".encode())
    assert [talk.line()[:3] for _ in range(3)] == [b"+OK"] * 3
    return talk


def verdict(node: Node, name: str, password: str) -> bytes:
    """The answer to PASS."""
    with Talk(node.host, node.pop3) as talk:
        talk.send(f"USER {name}\r\nPASS {password}\r\nQUIT\r\n".encode())
        return [talk.line() for _ in range(3)][2]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("who", [MARIA, QUOTES, OTTO], ids=lambda who: who.address)
def test_a_whole_session_is_the_same_as_directly(
    node: Node, stores: Stores, authority: Authority, way: str, who: Person
) -> None:
    store = stores.beta if who is OTTO else stores.alpha
    deliver(store, who, 3)
    ours = full_session(connected(node.host, (node.pop3, node.pop3s), way, authority), who)
    theirs = full_session(connected(store.host, (store.pop3, store.pop3s), way, authority), who)
    assert ours == theirs


def test_what_is_offered_before_log_in(node: Node) -> None:
    eventually(lambda: "TOP" in _in_tls(node).capa(), "what the stores offer is known")
    clear, tls = ({"STLS", "USER", "SASL"}, {"USER", "SASL"})
    for client, ways in ((poplib.POP3(node.host, node.pop3), clear), (_in_tls(node), tls)):
        offered = client.capa()
        assert set(offered) == {"TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "IMPLEMENTATION"} | ways
        assert offered["SASL"] == ["PLAIN", "LOGIN"]
        client.quit()


def _in_tls(node: Node) -> poplib.POP3:
    return poplib.POP3_SSL(node.host, node.pop3s, timeout=60, context=node.tls_context())


@pytest.mark.parametrize("mechanism", ["PLAIN", "PLAIN in two steps", "LOGIN"])
def test_a_utf8_name_logs_in_by_auth(node: Node, mechanism: str) -> None:
    name, password = (base64.b64encode(word.encode()) for word in JOERG)
    said = {
        "PLAIN": [b"AUTH PLAIN " + base64.b64encode(token(JOERG))],
        "PLAIN in two steps": [b"AUTH PLAIN", base64.b64encode(token(JOERG))],
        "LOGIN": [b"AUTH LOGIN", name, password],
    }[mechanism]
    with Talk(node.host, node.pop3) as talk:
        talk.line()
        answers = []
        for line in said:
            talk.send(line + b"\r\n")
            answers.append(talk.line())
        assert answers[-1].startswith(b"+OK") and all(line.startswith(b"+ ") for line in answers[:-1])
        talk.send(b"STAT\r\n")
        assert talk.line().startswith(b"+OK")


def test_a_whole_session_in_one_packet_is_the_same_as_directly(node: Node, stores: Stores) -> None:
    deliver(stores.beta, ADDRESS, 2)
    packet = f"USER {ADDRESS.address}\r\nPASS {ADDRESS.password}\r\nSTAT\r\nTOP 1 2\r\nQUIT\r\n".encode()
    answers = []
    for host, port in ((node.host, node.pop3), (stores.beta.host, stores.beta.pop3)):
        with Talk(host, port) as talk:
            greeting = talk.line()
            assert greeting.startswith(b"+OK") and b"<" not in greeting
            talk.send(packet)
            answers.append(talk.rest())
    assert answers[0] == answers[1] and answers[0].count(b"+OK") == 5


@pytest.mark.long  # Dovecot waits 20 s for the lock
def test_a_locked_mailbox_is_no_wrong_password(node: Node, stores: Stores) -> None:
    with session_of(node, ADDRESS) as first:
        first.send(b"STAT\r\n")
        assert first.line().startswith(b"+OK")
        with Talk(stores.beta.host, stores.beta.pop3) as direct:
            direct.send(f"USER {ADDRESS.address}\r\nPASS {ADDRESS.password}\r\n".encode())
            theirs = [direct.line() for _ in range(3)][2]
        with Talk(node.host, node.pop3) as talk:
            talk.send(f"USER {ADDRESS.address}\r\nPASS {ADDRESS.password}\r\n".encode())
            ours = [talk.line() for _ in range(3)][2]
            assert ours == theirs and ours.startswith(IN_USE)
            first.send(b"QUIT\r\n")
            assert first.line().startswith(b"+OK")
            talk.send(b"AUTH PLAIN " + base64.b64encode(token(ADDRESS)) + b"\r\n")
            assert talk.line().startswith(b"+OK")


def test_wrong_unknown_and_unmapped_sound_the_same(node: Node) -> None:
    assert verdict(node, MARIA.address, WRONG) == FAILED
    assert verdict(node, "nobody-at-all@example.test", WRONG) == FAILED
    assert verdict(node, "nobody@example.test", "kx-nobody-s3cret") == FAILED


def test_several_tries_on_one_connection_but_not_many(node: Node) -> None:
    with Talk(node.host, node.pop3) as talk:
        talk.line()
        for _ in range(3):
            talk.send(f"USER {MARIA.address}\r\nPASS {WRONG}\r\n".encode())
            assert [talk.line(), talk.line()] == [b"+OK", FAILED]
        talk.send(f"USER {MARIA.address}\r\nPASS {MARIA.password}\r\n".encode())
        assert [talk.line(), talk.line()[:3]] == [b"+OK", b"+OK"]
    with Talk(node.host, node.pop3) as talk:
        talk.send(f"USER {MARIA.address}\r\nPASS {WRONG}\r\n".encode() * 5)
        assert talk.rest().count(FAILED) == 4


def test_no_log_in_without_tls(new_node: NewNode) -> None:
    node = new_node()
    node.configuration["pop3"]["clear_login_from"] = []
    node.apply()
    node.start()
    client = poplib.POP3(node.host, node.pop3)
    assert {"STLS"} <= set(client.capa()) and not {"USER", "SASL"} & set(client.capa())
    with pytest.raises(poplib.error_proto, match="over TLS only"):
        client.user(MARIA.address)
    client.stls(node.tls_context())
    client.user(MARIA.address)
    assert client.pass_(MARIA.password).startswith(b"+OK")
    client.quit()


def test_curl_the_same_as_directly(node: Node, stores: Stores, authority: Authority) -> None:
    store, trust = stores.beta, ("--cacert", str(authority.file))
    deliver(store, OTTO, 2)
    ways = [
        (f"pop3://{node.host}:{node.pop3}", f"pop3://{store.host}:{store.pop3}", ("--ssl-reqd", *trust)),
        (f"pop3://{node.host}:{node.pop3}", f"pop3://{store.host}:{store.pop3}", ()),
        (f"pop3s://{node.host}:{node.pop3s}", f"pop3s://{store.host}:{store.pop3s}", trust),
    ]
    for ours, theirs, words in ways:
        for path in ("/", "/1", "/2"):
            answer = curl(ours + path, OTTO, *words)
            assert answer and answer == curl(theirs + path, OTTO, *words)


@pytest.mark.parametrize("way", ["tls", "stls"])
def test_openssl_s_client(node: Node, way: str) -> None:
    words = ["-starttls", "pop3"] if way == "stls" else ["-alpn", "pop3"]
    port = node.pop3s if way == "tls" else node.pop3
    run = subprocess.run(
        ["openssl", "s_client", "-quiet", "-crlf", "-connect", f"{node.host}:{port}", "-CAfile", str(node.authority),
         "-verify_return_error", "-verify_ip", node.host, *words],
        input=f"USER {MARIA.address}\nPASS {MARIA.password}\nSTAT\nQUIT\n", capture_output=True, text=True,
        timeout=60, check=False)
    assert re.search(r"^\+OK Logged in.*^\+OK \d+ \d+\s+^\+OK Logging out", run.stdout, re.M | re.S), run


def test_who_is_kicked_is_told_nothing(new_node: NewNode) -> None:
    node = new_node()
    node.start()
    with session_of(node, ADDRESS) as talk, session_of(node, MARIA) as other:
        rows = eventually(lambda: node.cli("session", "list", "--service", "pop3"), "sessions are listed")
        assert {row["user"] for row in rows} <= {ADDRESS.address, MARIA.address}
        node.cli("session", "kick", "--user", ADDRESS.address)
        assert talk.rest() == b""
        other.send(b"NOOP\r\n")
        assert other.line().startswith(b"+OK")


def test_an_administrator_sees_the_service(new_node: NewNode, stores: Stores) -> None:
    node = new_node()
    node.start()
    services = {row["name"]: row["state"] for row in node.cli("service", "list")}
    assert services["pop3"] == "on"
    route = node.cli("route", MARIA.address, "--service", "pop3")
    assert (route["backend"], route["port"], route["told"]) == ("alpha", stores.alpha.pop3, "+OK")
    assert node.cli("route", "who@example.test", "--service", "pop3", status=1)["told"] == "-ERR [AUTH]"
    checked = node.run("backend", "check", "alpha")
    assert checked.returncode == 0 and "SASL PLAIN" in checked.stdout


def test_a_store_that_is_down_is_temporary(new_node: NewNode, stores: Stores) -> None:
    limits = {"failure_delay": 0, "drain_seconds": 5, "retries": 1, "retry_pause": 0.1, "probe_seconds": 1}
    alpha = backend(stores.alpha, pop3="127.0.0.1:1")
    node = new_node(backend=[alpha, backend(stores.beta)], limits=limits)
    node.start()
    assert verdict(node, *MARIA).startswith(b"-ERR [SYS/TEMP]")
    assert verdict(node, *OTTO).startswith(b"+OK")
    node.logged_in(*MARIA).logout()  # IMAP there is up
    eventually(lambda: node.run("route", MARIA.address, "--service", "pop3").returncode, "the store is found down")
    assert node.cli("route", MARIA.address)["verdict"] == "route"
    assert _troubled(node) == {"alpha"}
    node.cli("service", "disable", "pop3")  # then nobody asks the store for it any more
    eventually(lambda: not _troubled(node), "a service that is off is no trouble")


def _troubled(node: Node) -> set[str]:
    return {row["name"] for row in node.cli("backend", "list") if row["health"] != "up"}


@pytest.mark.parametrize("way", ["starttls", "implicit"])
def test_tls_to_the_store_is_verified(new_node: NewNode, stores: Stores, authority: Authority, way: str) -> None:
    port = stores.alpha.pop3s if way == "implicit" else stores.alpha.pop3
    secured = {"pop3": f"127.0.0.1:{port}", "pop3_tls": way, "tls_ca": str(authority.file)}
    node = new_node(backend=[backend(stores.alpha, **secured), backend(stores.beta)])
    node.start()
    assert verdict(node, *MARIA).startswith(b"+OK")
    node.apply(backend=[backend(stores.alpha, **secured, tls_name="else.example.test"), backend(stores.beta)])
    assert verdict(node, *MARIA).startswith(b"-ERR [SYS/PERM]")


def test_a_master_user_logs_in_for_people_of_ours(new_node: NewNode, stores: Stores, folder: Path) -> None:
    secret = folder / "master"
    secret.write_text(MASTER[1] + "\n")
    settings = {"login": "master", "master_user": MASTER[0], "master_password_file": str(secret)}
    node = new_node(backend=[backend(stores.alpha, **settings), backend(stores.beta)], auth={"method": "internal"})
    node.start()
    node.cli("account", "add", MARIA.address, stdin="kx-own-s3cret\nkx-own-s3cret\n")
    assert verdict(node, MARIA.address, MARIA.password) == FAILED
    assert verdict(node, MARIA.address, "kx-own-s3cret").startswith(b"+OK")


def test_a_store_that_trusts_us_learns_who_comes(
    new_node: NewNode, stores: Stores, authority: Authority, folder: Path
) -> None:
    users = {MARIA.address: MARIA.password}
    certificate = authority.issue("gamma.example.test")
    with Dovecot(folder / "gamma", "gamma", certificate, users=users, trusted="127.0.0.0/8") as gamma:
        node = new_node(backend=[backend(gamma, client_address="native")], people={MARIA.address: "gamma"})
        node.start()
        with Talk(node.host, node.pop3, source="127.0.0.77") as talk:
            talk.send(f"USER {MARIA.address}\r\nPASS {MARIA.password}\r\n".encode())
            assert [talk.line()[:3] for _ in range(3)] == [b"+OK"] * 3
            gamma.tells("rip=127.0.0.77", 1)
            session = eventually(lambda: re.search(r"session=(\w+) service=pop3", node.log()), "the log-in is logged")
            assert session and f"session=<{session[1]}>" in gamma.log()
            talk.send(b"XCLIENT ADDR=192.0.2.99\r\n")  # once logged in, nobody can say who they are any more
            assert talk.line().startswith(b"-ERR")
