"""Certificates: shown by name, replaced while the node runs, and tickets that go on being worth something."""

from __future__ import annotations

import ssl

from tests.node.conftest import NewNode
from tests.services.authority import Authority
from tests.services.node import Node
from tests.services.people import MARIA
from tests.services.ports import eventually
from tests.services.talk import Talk


def shown(node: Node, name: str) -> bytes:
    """The certificate (DER) that the node shows to a client that asks for `name`."""
    context = ssl.create_default_context(cafile=str(node.authority))
    context.check_hostname = False
    with Talk(node.host, node.imaps) as talk:
        connection = context.wrap_socket(talk.socket, server_hostname=name)
        certificate = connection.getpeercert(binary_form=True)
        connection.close()
    assert certificate
    return certificate


def resumed(node: Node, ticket: ssl.SSLSession | None, context: ssl.SSLContext) -> tuple[bool, ssl.SSLSession]:
    """Log in over TLS: whether the ticket was taken, and the next one."""
    with Talk(node.host, node.imaps, tls=context, session=ticket) as talk:
        talk.line()
        assert talk.plain(*MARIA)[-1].startswith(b"tag OK")
        connection = talk.socket
        assert isinstance(connection, ssl.SSLSocket) and connection.session
        return bool(connection.session_reused), connection.session


def test_each_name_gets_its_certificate_and_a_new_one_at_once(new_node: NewNode, authority: Authority) -> None:
    node = new_node()
    node.start()
    default = shown(node, "mail.example.test")
    other = authority.issue("other.example.test")
    tables = [*node.configuration["certificate"],
              {"names": ["other.example.test"], "certificate": str(other.chain), "key": str(other.key)}]
    node.apply(certificate=tables)
    first = shown(node, "other.example.test")
    assert first != default == shown(node, "mail.example.test")

    renewed = authority.issue("other.example.test")
    with Talk(node.host, node.imaps, tls=node.tls_context()) as session:
        session.line()
        assert session.plain(*MARIA)[-1].startswith(b"tag OK")
        other.chain.write_bytes(renewed.chain.read_bytes())
        other.key.write_bytes(renewed.key.read_bytes())
        node.apply()
        eventually(lambda: shown(node, "other.example.test") not in (first, default), "the renewed one is shown")
        assert session.ask(b"NOOP")[-1].startswith(b"tag OK")


def test_tickets_resume_on_every_worker_and_after_reloads(new_node: NewNode, authority: Authority) -> None:
    node = new_node()
    node.start(POSTERN_WORKERS="2")
    context = node.tls_context()
    taken, ticket = resumed(node, None, context)
    assert not taken
    for _ in range(8):  # connections spread over both workers
        taken, ticket = resumed(node, ticket, context)
        assert taken
    renewed = authority.issue("mail.example.test", node.host)
    before = shown(node, "mail.example.test")
    node.cli("cert", "add", "*", "--certificate", str(renewed.chain), "--key", str(renewed.key))
    eventually(lambda: shown(node, "mail.example.test") != before, "the renewed one is shown")
    for _ in range(8):
        taken, ticket = resumed(node, ticket, context)
        assert taken, "the reload made tickets worthless"
    assert node.process
    node.process.send_signal(1)  # SIGHUP
    for _ in range(8):
        taken, ticket = resumed(node, ticket, context)
        assert taken, "SIGHUP made tickets worthless"
