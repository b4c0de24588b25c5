"""Node A's log, applied to a second home with another node name, gives a correct second node.

Only the listeners under [node.NAME] and the back-ends' `local` addresses differ between the two.
"""

from __future__ import annotations

import contextlib
import copy
import shutil
from pathlib import Path

from appliance.cluster.applier import Applier
from appliance.cluster.locallog import LocalLog
from db.connect import reader, writer
from db.migrate import migrate
from tests.node.conftest import NewNode, Stores, assert_keeps_secrets
from tests.node.test_refusals import verdict
from tests.services.node import Node
from tests.services.people import MARIA, OTTO
from tests.services.ports import answers


def replay(source: Path, target: Path) -> int:
    """Build `target`'s config.db anew from the log of `source`'s; how many entries that were."""
    for file in target.glob("config.db*"):
        file.unlink()
    shutil.copy(source / "secret.key", target / "secret.key")
    with contextlib.closing(reader(source / "config.db")) as ours:
        entries = list(LocalLog(ours).follow(1))
    with contextlib.closing(writer(target / "config.db")) as theirs:
        migrate(theirs, "config")
        verdicts = Applier(theirs).apply(entries)
    assert all(verdict.done for verdict in verdicts)
    return len(entries)


def listening(node: Node) -> dict[str, dict[str, list[str]]]:
    """The node's own listeners, service by service, as [node.NAME] has them."""
    found = {
        service: {key: addresses for key, addresses in node.configuration[service].items() if key.startswith("listen")}
        for service in ("imap", "pop3", "sieve", "metrics")
    }
    return copy.deepcopy(found)


def test_a_second_node_from_the_log_of_the_first(new_node: NewNode, stores: Stores, folder: Path) -> None:
    unreachable = "192.0.2.1:143"  # the address for other nodes: each must use the store's local one on its own
    backends = [
        {"name": "mail1", "imap": f"{stores.alpha.host}:{stores.alpha.imap}", "local": {"imap": unreachable}},
        {"name": "mail2", "imap": f"{stores.beta.host}:{stores.beta.imap}"},
    ]
    first = new_node("mail1", "127.0.0.2", backend=[], people={})
    second = Node(folder / "second", "mail2", "127.0.0.3")
    second.folder.mkdir()
    second.authority = first.authority
    listeners = {node.name: listening(node) for node in (first, second)}
    first.configuration["imap"].update(listen=[], listen_tls=["127.0.0.9:1"])
    first.apply(backend=backends, node=listeners, metrics={"listen": []}, limits={"failure_delay": 0, "retries": 0,
                "connect_seconds": 0.5, "drain_seconds": 5})
    first.people({MARIA.address: "mail1", OTTO.address: "mail2"})
    first.start()
    second.init()
    assert replay(first.home, second.home) > 2
    with second:
        for node, other in ((first, second), (second, first)):
            assert answers(node.host, node.imaps) and not answers(node.host, other.imap)
            assert verdict(node, *OTTO).startswith(b"tag OK")
        assert verdict(first, *MARIA).startswith(b"tag NO [UNAVAILABLE]"), "mail1 did not use its local address"
        assert verdict(second, *MARIA).startswith(b"tag OK"), "mail2 used another node's local address"
        assert second.cli("status")["node"] == "mail2"
        exports = [node.run("config", "export").stdout for node in (first, second)]
        assert exports[0] and exports[0] == exports[1]
    assert_keeps_secrets(second)
