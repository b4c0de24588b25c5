"""Two real stores and a node before them, for stories told with real clients.

`node` runs for the whole test run and must not be changed by a story; a story that changes, breaks or stops something
makes its own with `new_node`. When a node ends, its log must hold no password.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.services.authority import Authority
from tests.services.dovecot import MASTER, Dovecot
from tests.services.node import Node
from tests.services.people import MAP, ON_ALPHA, ON_BETA, SECRETS

NewNode = Callable[..., Node]


class Stores(NamedTuple):
    """Two mail stores with different people."""

    alpha: Dovecot
    beta: Dovecot


def short_folder() -> Path:
    """A folder with a name short enough for Unix sockets below it."""
    return Path(tempfile.mkdtemp(prefix="pn-", dir="/tmp"))


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """A folder for the whole run."""
    folder = short_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for one test."""
    folder = short_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def authority(run_folder: Path) -> Authority:
    """Who vouches for every certificate."""
    (run_folder / "tls").mkdir()
    return Authority(run_folder / "tls")


@pytest.fixture(scope="session")
def stores(run_folder: Path, authority: Authority) -> Iterator[Stores]:
    """alpha and beta, running."""
    made = [
        Dovecot(run_folder / name, name, authority.issue(f"{name}.example.test", "127.0.0.1"), users=dict(people))
        for name, people in (("alpha", ON_ALPHA), ("beta", ON_BETA))
    ]
    with made[0] as alpha, made[1] as beta:
        yield Stores(alpha, beta)


def backend(store: Dovecot, **settings: Any) -> dict[str, Any]:
    """The store as a [[backend]] of the configuration."""
    ports = {"imap": store.imap, "pop3": store.pop3, "sieve": store.sieve}
    return {"name": store.name, **{of: f"{store.host}:{port}" for of, port in ports.items()}, **settings}


def prepare(node: Node, authority: Authority, **tables: Any) -> None:
    """Make the home and apply a configuration with a certificate and these tables."""
    shown = authority.issue("mail.example.test", node.host)
    node.authority = authority.file
    node.init()
    node.apply(
        certificate=[{"names": ["*"], "certificate": str(shown.chain), "key": str(shown.key)}], **tables
    )


def assert_keeps_secrets(node: Node) -> None:
    """No password has reached the log."""
    found = {secret for secret in {*SECRETS, MASTER[1]} if secret in node.log()}
    assert not found, "passwords in the log"


@pytest.fixture(scope="session")
def node(run_folder: Path, stores: Stores, authority: Authority) -> Iterator[Node]:
    """A running node in front of both stores, everybody in its map. Not to be changed."""
    (run_folder / "node").mkdir()
    node = Node(run_folder / "node")
    prepare(node, authority, backend=[backend(store) for store in stores])
    node.people(MAP)
    with node:
        yield node
    assert_keeps_secrets(node)


@pytest.fixture
def new_node(folder: Path, stores: Stores, authority: Authority) -> Iterator[NewNode]:
    """Makes a node of the test's own, configured with the tables given but not started; ended with the test."""
    made: list[Node] = []

    def make(name: str = "mail1", host: str = "127.0.0.1", people: dict[str, str] = MAP, **tables: Any) -> Node:
        (folder / name).mkdir()
        node = Node(folder / name, name, host)
        made.append(node)
        prepare(node, authority, **{"backend": [backend(store) for store in stores], **tables})
        if people:
            node.people(people)
        return node

    yield make
    for node in made:
        node.kill()
        print(f"--- the log of {node.name}:\n{node.log()[-8000:]}")  # shown if the test failed
        assert_keeps_secrets(node)
