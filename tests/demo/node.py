"""A node in front of three real stores, one of them slow, with people, administrators and a certificate that ends soon.

For pictures and for trying the console by hand. Everything is example.org's; nothing leaves the machine.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

from tests.demo import town
from tests.demo.slow import SlowWay
from tests.services.authority import Authority
from tests.services.dovecot import Dovecot
from tests.services.node import Node
from tests.services.ports import eventually, free_port
from tests.services.talk import Talk

SLOW: float = 1.6  # seconds


@contextmanager
def demo_node() -> Iterator[Node]:
    """Running, with everybody in place, and nobody logged in."""
    folder = Path(tempfile.mkdtemp(prefix="pd-", dir="/tmp"))
    try:
        with ExitStack() as running:
            stores = [running.enter_context(store) for store in _stores(folder)]
            ways = {port: running.enter_context(SlowWay(stores[2].host, port, SLOW))
                    for port in (stores[2].imap, stores[2].pop3, stores[2].sieve)}
            (folder / "node").mkdir()
            node = Node(folder / "node")
            _configure(node, stores, ways)
            _certify(node, folder)
            node.people(town.everybody())
            with node:
                _administer(node)
                yield node
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def settle(node: Node) -> list[Talk]:
    """Residents log in and stay: most by IMAP, some twice, some by POP3."""
    maria = f"maria@{town.DOMAIN}"
    town.guess(node, maria, town.client_of(maria))
    talks = [town.sit_down(node, maria, "203.0.113.41")]
    for number, address in enumerate(town.residents()):
        talks.append(town.sit_down(node, address))
        if number % 4 == 0:
            talks.append(town.sit_down(node, address, "198.51.100.20"))
        if town.stays_by_pop3(number):
            talks.append(town.fetch_by_pop3(node, address))
    eventually(lambda: any(row["state"] == "slow" for row in node.cli("overview")["overview"]["backends"]),
               "the slow store is found to be slow", 60)
    return talks


def _stores(folder: Path) -> Iterator[Dovecot]:
    (folder / "tls").mkdir()
    authority = Authority(folder / "tls")
    for number, name in enumerate(town.STORES):
        people = {address: town.PASSWORD for at, address in enumerate(town.residents())
                  if at % len(town.STORES) == number}
        yield Dovecot(folder / name, name, authority.issue(f"{name}.example.org"), users=people)


def _configure(node: Node, stores: list[Dovecot], ways: dict[int, SlowWay]) -> None:
    node.init()
    backends: list[dict[str, Any]] = []
    for store in stores:
        ports = {"imap": store.imap, "pop3": store.pop3, "sieve": store.sieve}
        found = {of: ways[port].port if port in ways else port for of, port in ports.items()}
        backends.append({"name": store.name, **{of: f"{store.host}:{port}" for of, port in found.items()}})
    backends[1]["standby"] = "mail1"
    node.configuration["site"]["domains"] = [town.DOMAIN, "example.net"]
    for service in ("imap", "pop3", "sieve"):
        node.configuration[service] |= {"proxy_protocol_from": ["127.0.0.0/8"], "clear_login_from": town.NETWORKS}
    node.configuration["console"] = {"enabled": True, "listen": [f"{node.host}:{free_port(node.host)}"]}
    node.configuration["limits"]["probe_seconds"] = 2
    node.apply(backend=backends, map=[{"name": "people", "type": "sqlite"}, {"name": "guests", "type": "sqlite"}])


def _certify(node: Node, folder: Path) -> None:
    ends = datetime.now(UTC) + timedelta(days=6, hours=5)
    began = datetime.now(UTC) - timedelta(days=84)
    authority = trustme.CA(organization_name="Example CA", organization_unit_name="example.org")
    for name, until in (("mail.example.org", datetime.now(UTC) + timedelta(days=80)), ("*.example.net", ends)):
        issued = authority.issue_cert(name, not_before=began, not_after=until, common_name=name)
        chain, key = folder / f"{name}.pem", folder / f"{name}.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        names = [name] if name.startswith("*") else ["*", name]
        node.cli("cert", "add", *names, "--certificate", str(chain), "--key", str(key))


def _administer(node: Node) -> None:
    """What administrators left behind."""
    for name, role in (("maria", "owner"), ("jonas", "operator"), ("helpdesk", "viewer")):
        node.cli("admin", "add", name, "--role", role)
    node.cli("map", "put", "people", f"new.colleague@{town.DOMAIN}", "mail2")
    node.cli("service", "set", "limits", "sessions_per_account=40")
    node.cli("account", "add", f"it-support@{town.DOMAIN}", stdin=f"{town.PASSWORD}\n")
    node.cli("account", "add", f"maria@{town.DOMAIN}", stdin=f"{town.PASSWORD}\n")
    node.cli("ban", "add", "203.0.113.66", "--for", "2h", "--reason", "guesses passwords")
    node.cli("backend", "set", "mail2", "standby=mail1")
