"""After the log-in both sides are one pipe: nothing lost, nothing twice, nothing held without bound."""

from __future__ import annotations

import pytest

from tests.node.conftest import NewNode
from tests.services.relaying import CHECKS, Store
from tests.services.scripted import Scripted


@pytest.mark.parametrize("check", CHECKS)
def test_pipe(new_node: NewNode, check: str) -> None:
    store = Store()
    with Scripted(store) as scripted:
        node = new_node(backend=[{"name": "alpha", "imap": f"{scripted.host}:{scripted.port}"}],
                        people={f"user{number}@example.test": "alpha" for number in range(1, 5)})
        node.start()
        assert CHECKS[check](store, node.host, node.imap)
