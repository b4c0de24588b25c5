"""What may be configured: each mistake is found, and said of the right key."""

from __future__ import annotations

from typing import Any

import pytest

from db import catalogue

Bodies = dict[tuple[str, str], dict[str, Any]]
STORE = {"imap": "mail1.example.test:143"}


def keys(objects: Bodies) -> list[str]:
    """Where there are problems: KIND.NAME.KEY."""
    return [f"{problem.kind}.{problem.name}.{problem.key}" for problem in catalogue.check_all(objects)]


def text(objects: Bodies) -> str:
    (problem,) = catalogue.check_all(objects)
    return problem.text


def test_an_unknown_kind() -> None:
    (problem,) = catalogue.check("bakend", "a", {})
    assert problem.text.startswith("there is no bakend")


def test_an_unknown_key_names_the_near_one() -> None:
    (problem,) = catalogue.check("backend", "a", {"iamp": "h:143"})
    assert (problem.key, problem.text) == ("iamp", "backend has no setting 'iamp'; did you mean 'imap'?")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a\n", "ä" * 101, "../x"])
def test_names(name: str) -> None:
    assert [problem.key for problem in catalogue.check("backend", name, STORE)] == ["name"]


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("backend", {"login": "master", "master_user": "m"}, "master_password_file"),
        ("backend", {"login": "master", "master_password": "sealed:x"}, "master_user"),
        ("backend", {"local": {"imap": "127.0.0.1:1"}}, "local"),
        ("map", {"type": "file"}, "path"),
        ("map", {"type": "ldap-bind"}, "ldap"),
        ("map", {"path": "/etc/map"}, "path"),
        ("ldap", {"base_dn": "dc=x"}, "urls"),
        ("oauth", {}, ""),
        ("oauth", {"pass_through": True, "jwks": "https://a/"}, ""),
        ("certificate", {"names": ["*"], "certificate": "-----BEGIN CERTIFICATE-----"}, "key"),
        ("certificate", {"names": ["*"], "certificate": "a path", "key": "sealed:x"}, "certificate"),
    ],
)
def test_what_must_go_together(kind: str, body: dict[str, Any], key: str) -> None:
    assert [problem.key for problem in catalogue.check(kind, "x", body)] == [key]


def test_auth_by_ldap_needs_a_connector() -> None:
    assert keys({("auth", ""): {"method": "ldap"}}) == ["auth..ldap"]


def test_a_secret_is_not_in_the_sentence() -> None:
    (problem,) = catalogue.check("backend", "a", {"master_password": ["hunter2"]})
    assert "hunter2" not in problem.text


@pytest.mark.parametrize(
    ("objects", "where"),
    [
        ({("imap", ""): {"map": ["people"]}}, "imap..map"),
        ({("imap", ""): {"failover": "mail9"}}, "imap..failover"),
        ({("backend", "a"): {**STORE, "standby": "b"}}, "backend.a.standby"),
        ({("map", "m"): {"type": "ldap-bind", "ldap": "corp"}}, "map.m.ldap"),
        ({("auth", ""): {"method": "ldap", "ldap": "corp"}}, "auth..ldap"),
    ],
)
def test_dangling_names(objects: Bodies, where: str) -> None:
    assert keys(objects) == [where]
    assert "does not exist" in text(objects)


def test_names_that_are_there() -> None:
    assert keys({("imap", ""): {"map": ["m"], "failover": "a"}, ("map", "m"): {}, ("backend", "a"): STORE}) == []
    assert keys({("imap", ""): {"failover": "old.example:143"}}) == []
    assert keys({}) == []


def test_standbys_in_a_circle() -> None:
    assert text({("backend", "a"): {**STORE, "standby": "a"}}) == "standby names the back-end itself"
    circle: Bodies = {("backend", one): {**STORE, "standby": other} for one, other in ("ab", "bc", "ca", "da")}
    assert keys(circle) == ["backend.a.standby", "backend.b.standby", "backend.c.standby"]


def test_one_address_twice() -> None:
    assert (
        text({("imap", ""): {"listen": ["[::]:993"]}})
        == "listen_tls has [::]:993, which imap.listen listens on already"
    )
    assert keys({("imap", ""): {"listen": ["0.0.0.0:993"]}}) == ["imap..listen_tls"]
    assert keys({("imap", ""): {"listen_tls": ["127.0.0.1:995"]}, ("pop3", ""): {"listen": ["127.0.0.1:995"]}}) == [
        "pop3..listen"
    ]
    assert keys({("metrics", ""): {"listen": ["[::]:443"]}}) == ["metrics..listen"]
    assert keys({("imap", ""): {"listen": ["192.0.2.1:143", "192.0.2.1:143"]}}) == ["imap..listen"]
    assert keys({("imap", ""): {"listen": ["[::]:143", "0.0.0.0:143"]}}) == []


def test_limits_are_bounded_above() -> None:
    body = {"hash_threads": 1_000_000, "connections": 10**20, "idle_seconds": 1e308}
    assert keys({("limits", ""): body}) == [f"limits..{key}" for key in body]


def test_addresses_that_are_not_used_are_free() -> None:
    assert keys({("imap", ""): {"listen": ["[::]:995"]}, ("pop3", ""): {"enabled": False}}) == []
    assert keys({("imap", ""): {"listen": ["192.0.2.1:143", "192.0.2.2:143"]}}) == []


def test_each_node_has_addresses_of_its_own() -> None:
    objects: Bodies = {
        ("imap", ""): {"listen_tls": ["127.0.0.1:993"]},
        ("node", "one"): {"imap": {"listen_tls": ["127.0.0.2:993"]}},
        ("node", "two"): {"pop3": {"listen_tls": ["127.0.0.3:993"]}},
    }
    assert keys(objects) == []
    objects["node", "two"] = {"pop3": {"listen_tls": ["127.0.0.1:993"]}}
    assert keys(objects) == ["pop3..listen_tls"]
    listening = list(catalogue.listeners(objects, "one"))
    assert ("imap", "listen_tls", "127.0.0.2:993") in listening
    assert ("imap", "listen_tls", "127.0.0.1:993") not in listening


def test_own_addresses_may_not_relay() -> None:
    objects: Bodies = {
        ("backend", "a"): {"imap": "192.0.2.7:143"},
        ("smtp", ""): {"relay_networks": ["192.0.2.7", "192.0.2.8/32"]},
    }
    assert text(objects) == "relay_networks has 192.0.2.7, which is an address of this cluster"


def test_loopback_is_fine_on_a_single_node() -> None:
    assert keys({("backend", "a"): {"imap": "127.0.0.1:10143"}}) == []
