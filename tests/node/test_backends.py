"""Between the node and its stores: verified TLS, stores that are down, standby, failover, drain, master users."""

from __future__ import annotations

from typing import Any

import pytest

from tests.node.conftest import NewNode, Stores, backend
from tests.node.test_refusals import verdict
from tests.services.authority import Authority
from tests.services.dovecot import MASTER, Dovecot
from tests.services.people import JOERG, MARIA, NOBODY, OTTO
from tests.services.ports import eventually, free_port

PATIENCE = {"failure_delay": 0, "drain_seconds": 5, "retries": 1, "retry_pause": 0.1, "probe_seconds": 1}


LOGGED_IN = f"Login: user=<{MARIA.address}>"

def tls_ways(store: Dovecot, authority: Authority) -> dict[str, tuple[dict[str, Any], bytes]]:
    """Ways to reach the store by TLS, and what the client is told."""
    implicit = {"imap": f"{store.host}:{store.imaps}", "tls": "implicit"}
    name, ca = {"tls_name": f"{store.name}.example.test"}, {"tls_ca": str(authority.file)}
    presented = store.certificate.pin
    return {
        "starttls, name and CA": ({"tls": "starttls", **name, **ca}, b"tag OK"),
        "implicit, name and CA": ({**implicit, **name, **ca}, b"tag OK"),
        "implicit, address and CA": ({**implicit, **ca}, b"tag OK"),
        "implicit, pin": ({**implicit, "tls_pin": presented}, b"tag OK"),
        "starttls, pin": ({"tls": "starttls", "tls_pin": presented}, b"tag OK"),
        "wrong name": ({**implicit, "tls_name": "else.example.test", **ca}, b"tag NO [SERVERBUG]"),
        "unknown CA": ({**implicit, **name}, b"tag NO [SERVERBUG]"),
        "wrong pin": ({"tls": "starttls", "tls_pin": "sha256:" + "0" * 64}, b"tag NO [SERVERBUG]"),
    }


def test_tls_to_the_store_is_verified(new_node: NewNode, stores: Stores, authority: Authority) -> None:
    node = new_node(limits=PATIENCE)
    node.start()
    for way, (settings, told) in tls_ways(stores.alpha, authority).items():
        node.apply(backend=[backend(stores.alpha, **settings), backend(stores.beta)])
        before = stores.alpha.log().count(LOGGED_IN)
        answer = verdict(node, *MARIA)
        assert answer.startswith((told, told.replace(b"SERVERBUG", b"CONTACTADMIN"))), (way, answer)
        if told == b"tag OK":
            stores.alpha.tells(LOGGED_IN, before + 1)
        else:
            assert stores.alpha.log().count(LOGGED_IN) == before, way


def test_a_store_without_starttls_gets_no_password(
    new_node: NewNode, stores: Stores, authority: Authority, folder: Any
) -> None:
    certificate = authority.issue("gamma.example.test")
    with Dovecot(folder / "gamma", "alpha", certificate, users={MARIA.address: MARIA.password}, starttls="no") as gamma:
        node = new_node(backend=[backend(gamma, tls="starttls"), backend(stores.beta)], limits=PATIENCE)
        node.start()
        assert verdict(node, *MARIA).startswith((b"tag NO [SERVERBUG]", b"tag NO [CONTACTADMIN]"))
        assert "Login" not in gamma.log()


def test_down_is_temporary_and_never_goes_to_failover(new_node: NewNode, stores: Stores) -> None:
    down = {"name": "alpha", "imap": f"127.0.0.1:{free_port()}"}
    node = new_node(backend=[down, backend(stores.beta)], limits=PATIENCE)
    node.configuration["imap"]["failover"] = "beta"
    node.apply()
    node.start()
    assert verdict(node, *MARIA).startswith(b"tag NO [UNAVAILABLE]")
    assert verdict(node, *OTTO).startswith(b"tag OK")
    eventually(lambda: node.run("route", MARIA.address).returncode, "the store is found to be down")
    route = node.cli("route", MARIA.address, status=1)
    assert route["verdict"] == "temporary" and route["backend"] == "alpha"


def test_failover_serves_whom_no_map_knows(new_node: NewNode) -> None:
    node = new_node(limits=PATIENCE)
    node.start()
    assert verdict(node, *NOBODY).startswith(b"tag NO [AUTHENTICATIONFAILED]")
    node.cli("service", "set", "imap", "failover=beta")
    assert verdict(node, *NOBODY).startswith(b"tag OK")
    assert node.cli("route", NOBODY.address)["backend"] == "beta"
    eventually(lambda: "failover" in node.log(), "it is in the log")


def test_standby_serves_while_the_store_is_down(new_node: NewNode, stores: Stores, folder: Any,
                                                 authority: Authority) -> None:
    certificate = authority.issue("gamma.example.test")
    gamma = Dovecot(folder / "gamma", "gamma", certificate, users={MARIA.address: MARIA.password})
    node = new_node(backend=[backend(gamma, standby="beta"), backend(stores.alpha), backend(stores.beta)],
                    people={MARIA.address: "gamma"}, limits={**PATIENCE, "breaker_seconds": 1})
    node.start()
    with gamma:
        assert verdict(node, *MARIA).startswith(b"tag OK")
        gamma.tells("Login: user=", 1)
    before = stores.beta.log().count(LOGGED_IN)
    eventually(lambda: verdict(node, *MARIA).startswith(b"tag OK"), "the standby serves")
    stores.beta.tells(LOGGED_IN, before + 1)
    with gamma:
        eventually(lambda: verdict(node, *MARIA).startswith(b"tag OK") and gamma.log().count("Login: user=") > 1,
                   "the store is used again")


def test_drain_keeps_sessions_and_takes_no_new_ones(new_node: NewNode) -> None:
    node = new_node(limits=PATIENCE)
    node.start()
    session = node.logged_in(*MARIA)
    node.cli("backend", "drain", "alpha")
    assert verdict(node, *MARIA).startswith(b"tag NO [UNAVAILABLE]")
    assert verdict(node, *OTTO).startswith(b"tag OK")
    assert session.noop()[0] == "OK"
    node.cli("backend", "enable", "alpha")
    assert verdict(node, *MARIA).startswith(b"tag OK")
    assert session.noop()[0] == "OK"
    session.logout()


@pytest.mark.parametrize("who", [MARIA, JOERG], ids=lambda who: who.address)
def test_a_master_user_logs_in_for_people_of_ours(new_node: NewNode, stores: Stores, folder: Any, who: Any) -> None:
    secret = folder / "master"
    secret.write_text(MASTER[1] + "\n")
    settings = {"login": "master", "master_user": MASTER[0], "master_password_file": str(secret)}
    node = new_node(backend=[backend(stores.alpha, **settings), backend(stores.beta)], auth={"method": "internal"})
    node.start()
    own = "kx-own-s3cret"
    node.cli("account", "add", who.address, stdin=f"{own}\n{own}\n")
    assert verdict(node, who.address, who.password).startswith(b"tag NO [AUTHENTICATIONFAILED]")
    assert verdict(node, who.address, own).startswith(b"tag OK")
    assert own not in node.log()


def test_check_tells_step_by_step(new_node: NewNode, stores: Stores) -> None:
    node = new_node(backend=[backend(stores.alpha), {"name": "beta", "imap": f"127.0.0.1:{free_port()}"}])
    node.start()
    assert node.cli("backend", "check", "alpha")
    run = node.run("backend", "check")
    assert run.returncode == 1 and "beta" in run.stdout + run.stderr
