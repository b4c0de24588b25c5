"""The snapshot: what the configuration means on one node, and clear words when it means nothing."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from appliance.messages import ListenerSpec
from appliance.routing.services import listening, split
from appliance.routing.snapshot import SEALED, Snapshot, SnapshotError, load_snapshot
from appliance.terms import Credentials, Endpoint, Limits, Secret, Service, TlsMode
from appliance.vault import Vault
from db.objects import read_objects
from tests.routing.configuration import MARIA, Configuration

WHO = Credentials("whoever", Secret(b"own password"))


def load(configuration: Configuration, node: str = "gamma") -> Snapshot:
    return load_snapshot(configuration.writer, node, configuration.vault)


def test_defaults(configuration: Configuration) -> None:
    now = load(configuration)
    assert now.revision < configuration.revision, "the revision of the configuration, not of the data"
    assert now.limits == Limits() and now.method == "backend" and now.node == "gamma"
    assert now.back_ends["alpha"].endpoints == {Service.IMAP: Endpoint("alpha", "192.0.2.1", 143)}
    assert now.services[Service.IMAP].chain == ("people",)
    assert now.services[Service.IMAP].enabled and not now.services[Service.IMAP].failover


def test_local_addresses_only_on_the_node_of_that_name(configuration: Configuration) -> None:
    configuration.set("backend", "alpha", imap="192.0.2.1:143", pop3="192.0.2.1:110", local={"imap": "127.0.0.1:10143"})
    assert load(configuration, "beta").back_ends["alpha"].endpoints[Service.IMAP].host == "192.0.2.1"
    here = load(configuration, "alpha").back_ends["alpha"].endpoints
    assert (here[Service.IMAP].host, here[Service.IMAP].port) == ("127.0.0.1", 10143)
    assert here[Service.POP3].host == "192.0.2.1"


def test_tls_per_protocol(configuration: Configuration) -> None:
    pin = "sha256:" + "ab" * 32
    configuration.set(
        "backend", "alpha", imap="[2001:db8::1]:993", pop3="mail:995", tls="starttls", imap_tls="implicit",
        tls_name="mail.example.test", tls_ca="PEM", tls_pin=pin, client_address="proxy-v2",
    )  # fmt: skip
    found = load(configuration).back_ends["alpha"].endpoints
    assert found[Service.IMAP] == Endpoint(
        "alpha", "2001:db8::1", 993, TlsMode.IMPLICIT, "mail.example.test", "PEM", b"\xab" * 32, "proxy-v2"
    )
    assert found[Service.POP3].tls is TlsMode.STARTTLS


def test_login_templates_are_filled_once(configuration: Configuration) -> None:
    configuration.set("backend", "alpha", imap="192.0.2.1:143", login_name="{domain}/{local}!")
    login = load(configuration).back_ends["alpha"].login
    assert login.name(MARIA) == "example.test/maria!"
    assert login.name("{domain}@x.test") == "x.test/{domain}!", "what a stranger typed is no template"
    assert login.name("nodomain") == "/nodomain!"


def test_master_user(configuration: Configuration) -> None:
    sealed = SEALED + configuration.vault.seal("master secret")
    configuration.set(
        "backend", "alpha", imap="192.0.2.1:143", login="master", master_user="postern", master_password=sealed
    )
    route = load(configuration).back_ends["alpha"].route(Service.IMAP, MARIA, WHO, "map people")
    assert (route.login, route.authcid, route.password.reveal()) == (MARIA, "postern", b"master secret")
    other = load(configuration).back_ends["beta"].route(Service.IMAP, MARIA, WHO, "map people")
    assert (other.login, other.authcid, other.password) == (MARIA, MARIA, WHO.password)
    with pytest.raises(SnapshotError, match=r"backend alpha: .*another secret\.key"):
        load_snapshot(configuration.writer, "gamma", Vault(Fernet.generate_key()))
    configuration.set("backend", "alpha", imap="192.0.2.1:143", login="master")
    with pytest.raises(SnapshotError, match="master_user"):
        load(configuration)


def test_listeners_of_this_node(configuration: Configuration) -> None:
    configuration.set("imap", "", listen=["127.0.0.1:143"], listen_tls=["[::]:993"])
    configuration.set("node", "alpha", imap={"listen_tls": ["127.0.0.2:993"]})
    configuration.set("node", "beta", imap={"listen": []})
    configuration.set("pop3", "", enabled=False)
    specs = {
        node: [spec for spec in load(configuration, node).listeners if spec.service in ("imap", "pop3")]
        for node in ("alpha", "beta", "gamma")
    }
    clear, tls = ListenerSpec("imap", "127.0.0.1:143", False), ListenerSpec("imap", "[::]:993", True)
    own = ListenerSpec("imap", "127.0.0.2:993", True)
    assert specs == {"alpha": [clear, own], "beta": [tls], "gamma": [clear, tls]}
    everything = listening(read_objects(configuration.writer), "gamma")
    assert ListenerSpec("console", "[::]:2222", False) in everything
    assert load(configuration, "beta").services[Service.IMAP].listeners == (tls,)


def test_loops(configuration: Configuration) -> None:
    configuration.set("imap", "", listen=["127.0.0.1:2143", "[::]:2144"])
    for number, address in enumerate(["127.0.0.1:2143", "localhost:2143", "127.0.0.1:2144", "[::1]:2144"]):
        configuration.set("backend", f"loop{number}", imap=address)
    for number, address in enumerate(["127.0.0.2:2143", "192.0.2.1:2144", "127.0.0.1:2145", "mail.example.test:2144"]):
        configuration.set("backend", f"fine{number}", imap=address)
    for name, back_end in load(configuration).back_ends.items():
        assert (Service.IMAP in back_end.loops) == name.startswith("loop"), name


def test_failover_is_a_back_end_or_an_address(configuration: Configuration) -> None:
    configuration.set("imap", "", failover="beta")
    configuration.set("pop3", "", failover="192.0.2.9:110")
    found = load(configuration).back_ends
    assert set(found) == {"alpha", "beta", "192.0.2.9:110"}
    assert found["192.0.2.9:110"].endpoints[Service.POP3] == Endpoint("192.0.2.9:110", "192.0.2.9", 110)
    assert set(found["192.0.2.9:110"].endpoints) == {Service.POP3}  # no other service is told to go there


def test_the_default_chain_is_what_there_is(configuration: Configuration) -> None:
    configuration.writer.execute("DELETE FROM object WHERE kind = 'map'")
    assert load(configuration).services[Service.IMAP].chain == ()
    configuration.set("imap", "", map=["people"])
    assert load(configuration).services[Service.IMAP].chain == ("people",)


def test_clear_log_ins(configuration: Configuration) -> None:
    configuration.set("imap", "", clear_login_from=["127.0.0.0/8"])
    view = load(configuration).services[Service.IMAP]
    assert "127.0.0.1" in view.clear_login_from and "192.0.2.1" not in view.clear_login_from
    configuration.set("imap", "", clear_login_from=["anywhere"])
    with pytest.raises(SnapshotError, match="anywhere"):
        load(configuration)


def test_certificates_never_show_their_key(configuration: Configuration) -> None:
    sealed = SEALED + configuration.vault.seal("KEY")
    configuration.set("certificate", "*", names=["*", "mail.example.test"], certificate="CERT", key=sealed)
    (found,) = load(configuration).certificates
    assert (found.names, found.certificate, found.key) == (("*", "mail.example.test"), "CERT", "KEY")
    assert "KEY" not in repr(load(configuration))


@pytest.mark.parametrize("body", [{"imap": "no port"}, {"imap": "x:99999"}, {"imap": "x:143", "tls": "some"},
                                  {"imap": "x:143", "tls_pin": "sha256:zz"}, {"imap": 7}])  # fmt: skip
def test_what_cannot_be_served_is_named(configuration: Configuration, body: dict[str, object]) -> None:
    configuration.set("backend", "alpha", **body)
    with pytest.raises(SnapshotError, match=r"^configuration \d+ cannot be served: "):
        load(configuration)


def test_split() -> None:
    assert split("[2001:db8::1]:143") == ("2001:db8::1", 143)
    assert split("mail.example.test:143") == ("mail.example.test", 143)
    for text in ("mail", "2001:db8::1:143", ":143", "mail:", "mail:0", "mail:x", "[]:1"):
        with pytest.raises(ValueError, match=r"HOST:PORT|port"):
            split(text)
