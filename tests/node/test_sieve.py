"""ManageSieve through a node, as directly: a small client of our own, against real Pigeonhole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.node.conftest import NewNode, Stores, backend
from tests.services.authority import Authority
from tests.services.dovecot import Dovecot
from tests.services.node import Node
from tests.services.people import JOERG, MARIA, NOBODY, ON_ALPHA, OTTO, QUOTES, WRONG, Person
from tests.services.ports import eventually
from tests.services.sieve import Sieve

SCRIPT = "# größer als ein Paket, {5+}\r\n".encode() + b'if header "subject" "a\\"b" { keep; }\r\n' * 3000


def direct(store: Dovecot) -> Sieve:
    """A connection to the store itself."""
    return Sieve(store.host, store.sieve)


def through(node: Node, source: str = "") -> Sieve:
    """A connection to the node."""
    return Sieve(node.host, node.sieve, source=source)


def full_session(client: Sieve, who: Person) -> list[object]:
    """Everything the store says in a session that leaves no trace."""
    with client:
        client.answer()
        said: list[object] = [client.plain(*who), client.ask(b"CAPABILITY"), client.ask(b'NOOP "x"')]
        said += [client.ask(b'HAVESPACE "main" 100'), client.put("main", SCRIPT), client.put("other", b"wrong")]
        said += [client.ask(b'SETACTIVE "main"'), client.ask(b"LISTSCRIPTS"), client.ask(b'GETSCRIPT "main"')]
        said += [client.ask(b'SETACTIVE ""'), client.ask(b'DELETESCRIPT "main"'), client.ask(b"LISTSCRIPTS")]
        said += [client.ask(b"UNAUTHENTICATE"), client.ask(b"XCLIENT ADDR=192.0.2.1"), client.ask(b"LOGOUT")]
    return said


@pytest.mark.parametrize("who", [MARIA, QUOTES, JOERG, OTTO], ids=lambda who: who.address)
def test_a_whole_session_is_the_same_as_directly(node: Node, stores: Stores, who: Person) -> None:
    store = stores.beta if who is OTTO else stores.alpha
    said = full_session(through(node), who)
    assert said == full_session(direct(store), who)
    assert SCRIPT in said[8][0]  # type: ignore[index]
    assert said[13][-1].startswith(b"NO")  # type: ignore[index]


def test_a_script_put_through_the_node_is_at_the_store(node: Node, stores: Stores) -> None:
    with through(node).logged_in(*MARIA) as client, direct(stores.alpha).logged_in(*MARIA) as store:
        assert client.put("filter", SCRIPT).startswith(b"OK")
        assert client.ask(b'SETACTIVE "filter"')[-1].startswith(b"OK")
        assert store.ask(b"LISTSCRIPTS")[0] == b'"filter" ACTIVE'
        assert store.ask(b'GETSCRIPT "filter"') == client.ask(b'GETSCRIPT "filter"')
        assert store.put("filter", b"discard;\r\n").startswith(b"OK")
        assert client.ask(b'GETSCRIPT "filter"')[0].split(b"\r\n")[1] == b"discard;"
        client.ask(b'SETACTIVE ""')
        assert client.ask(b'DELETESCRIPT "filter"')[-1].startswith(b"OK")


def test_no_log_in_without_tls(new_node: NewNode) -> None:
    node = new_node()
    node.configuration["sieve"]["clear_login_from"] = []
    node.apply()
    node.start()
    with through(node) as client:
        greeting = client.answer()
        assert b'"SASL" ""' in greeting and b'"STARTTLS"' in greeting
        assert client.plain(*MARIA) == [b'NO (ENCRYPT-NEEDED) "Log in over TLS only."']
        assert client.ask(b"STARTTLS")[-1].startswith(b"OK")
        client.secure(node.tls_context())
        unasked = client.answer()
        assert b'"SASL" "PLAIN LOGIN"' in unasked and b'"STARTTLS"' not in unasked
        assert client.ask(b"CAPABILITY") == unasked
        assert client.plain(*MARIA)[-1].startswith(b"OK")
        assert client.put("tls", b"keep;").startswith(b"OK")
        assert client.ask(b'DELETESCRIPT "tls"')[-1].startswith(b"OK")


def test_what_every_store_offers_is_told_before_log_in(node: Node, stores: Stores) -> None:
    with direct(stores.alpha) as store:
        offered = [line for line in store.answer() if re.match(b'"(SIEVE|NOTIFY)"', line)]
    assert len(offered) == 2
    words = [sorted(line.replace(b'"', b"").split()) for line in offered]

    def told() -> bool:
        with through(node) as client:
            return [sorted(line.replace(b'"', b"").split()) for line in client.answer()[1:3]] == words

    eventually(told, "the greeting says what the stores offer")


def test_wrong_unknown_and_unmapped_sound_the_same(node: Node) -> None:
    answers = []
    for name, password in ((MARIA.address, WRONG), ("who@example.test", WRONG), NOBODY, ("who", WRONG)):
        with through(node) as client:
            client.answer()
            answers.append(client.plain(name, password))
    assert answers == [[b'NO "Authentication failed."']] * 4


def test_a_store_that_is_down_is_told_as_passing(new_node: NewNode, stores: Stores) -> None:
    node = new_node(backend=[backend(stores.beta, sieve="127.0.0.1:1"), backend(stores.alpha)])
    node.start()
    with through(node) as client:
        client.answer()
        assert client.plain(*OTTO)[-1].startswith(b"NO (TRYLATER)")
        assert client.plain(*MARIA)[-1].startswith(b"OK")


def test_who_is_kicked_hears_a_farewell(node: Node) -> None:
    with through(node).logged_in(*OTTO) as client:
        [session] = [one for one in node.cli("session", "list", "--user", OTTO.address) if one["service"] == "sieve"]
        assert session["backend"] == "beta"
        node.cli("session", "kick", session["id"])
        assert client.rest() == b'BYE "This session was ended by an administrator"\r\n'


def test_the_store_learns_where_the_client_is(new_node: NewNode, folder: Path, authority: Authority) -> None:
    certificate = authority.issue("gamma.example.test", "127.0.0.1")
    with Dovecot(folder / "gamma", "gamma", certificate, users=dict(ON_ALPHA), trusted="127.0.0.0/8") as gamma:
        native = backend(gamma, client_address="native", tls="starttls", tls_ca=str(authority.file))
        node = new_node(backend=[native], people={MARIA.address: "gamma"})
        node.start()
        with through(node, "127.0.0.77").logged_in(*MARIA) as client:
            [session] = node.cli("session", "list")
            gamma.tells("rip=127.0.0.77, lip=127.0.0.1, mpid=", 1)
            gamma.tells(f"session=<{session['id']}>", 1)
            assert client.ask(b"XCLIENT ADDR=192.0.2.1")[-1].startswith(b"NO")
