"""The fixtures of the wire: a running worker with its store, certificates, and those parts for a test's own workers."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from appliance.edge.tls import Certificates
from appliance.protocols.conversation import Conversation, Door
from tests.wire.house import Bench, Gate, Store, eventually, line_of, talk


@pytest.fixture(name="eventually")
def _eventually() -> Callable[[Callable[[], Any]], Any]:
    return eventually


@pytest.fixture(name="line_of")
def _line_of() -> Callable[[socket.socket], bytes]:
    return line_of


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who signs the certificates of the tests."""
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def entry(authority: trustme.CA, *names: str, listed: list[str] | None = None) -> tuple[list[str], str, str]:
    """A certificate as Certificates takes it."""
    made = authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA)
    chain = b"".join(blob.bytes() for blob in made.cert_chain_pems).decode()
    return listed or list(names), chain, made.private_key_pem.bytes().decode()


@pytest.fixture(name="entry")
def _entry(authority: trustme.CA) -> Callable[..., tuple[list[str], str, str]]:
    return lambda *names, **options: entry(authority, *names, **options)


@pytest.fixture
def certificates(authority: trustme.CA) -> Certificates:
    """A default certificate for mail.example.test."""
    return Certificates([entry(authority, "mail.example.test", listed=["*"])])


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client's context."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def gate() -> Gate:
    """An admission for workers of a test's own."""
    return Gate()


@pytest.fixture
def store() -> Iterator[Store]:
    """A store for workers of a test's own."""
    made = Store()
    yield made
    made.close()


@pytest.fixture
def conversation() -> Callable[[Door], Conversation]:
    """The conversation, for workers of a test's own."""
    return talk


@pytest.fixture
def bench(certificates: Certificates) -> Iterator[Bench]:
    """A running worker and its store."""
    read_end, write_end = os.pipe()
    made = Bench(certificates, write_end)
    try:
        yield made
    finally:
        made.close()
        os.close(write_end)
        with open(read_end, "rb") as log:
            made.log = log.read().decode()  # type: ignore[attr-defined]
