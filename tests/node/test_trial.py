"""A change of listeners that locks its maker out: taken back by the node itself, seen by a client."""

from __future__ import annotations

from pathlib import Path

from tests.node.conftest import NewNode
from tests.services.node import Node
from tests.services.people import MARIA
from tests.services.ports import eventually, free_port


def logs_in(node: Node) -> bool:
    try:
        node.logged_in(*MARIA).logout()
    except OSError:
        return False
    return True


def test_a_listener_that_moved_away_comes_back(new_node: NewNode, tmp_path: Path) -> None:
    node = new_node()
    node.start()
    tried = node.cli("service", "set", "imap", f"listen={node.host}:{free_port(node.host)}", "--try", "5")
    assert tried["trial"] and not logs_in(node)
    eventually(lambda: logs_in(node), "the listener is back", 20)
    what = node.cli("audit", "list")[0]["what"]
    assert what.endswith("service set imap listen (on trial by root, not kept)")

    file = tmp_path / "site.toml"
    text = node.run("config", "export").stdout
    file.write_text(text.replace(f"{node.host}:{node.imap}", f"{node.host}:{free_port(node.host)}"))
    assert node.run("config", "apply", str(file), "--try", "60").returncode == 0
    assert not logs_in(node)
    node.cli("config", "give-up")
    assert logs_in(node)

    node.cli("service", "set", "imap", f"listen={node.host}:{node.imap},{node.host}:{free_port(node.host)}",
             "--try", "60")  # fmt: skip
    node.cli("config", "keep")
    assert "nothing to keep" in node.run("config", "keep").stderr
    assert logs_in(node)
