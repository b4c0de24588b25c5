"""The overview, people and pages of a map, as commands on a stopped node."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Postern


@pytest.fixture
def peopled(postern: Postern, tmp_path: Path) -> Postern:
    """Some people in a map, one with an account."""
    file = tmp_path / "people.csv"
    addresses = ["address", *(f"user{number}@example.test" for number in range(4)), "@a.test"]
    file.write_text("".join(f"{address},{'mail2' if '@' in address else 'backend'}\n" for address in addresses))
    postern.text("backend", "add", "mail2", "imap=127.0.0.1:10143")
    postern.text("map", "create", "people")
    postern.text("map", "import", "people", str(file))
    postern.text("account", "add", "other@a.test", stdin="kx-s3cret\n")
    return postern


def test_the_overview_of_a_stopped_node(peopled: Postern) -> None:
    text = peopled.text("overview")
    assert re.search(r"^node \S+, Postern \S+: stopped, revision \d+$", text, re.M)
    assert re.search(r"^imap +stopped +0 +▁{12} +0 +0", text, re.M), text
    assert re.search(r"^mail2 +unknown +0 +5$", text, re.M), text
    assert "smtp" not in text, "what this release does not serve is left out"
    assert re.search(r"^needs you\n  problem  since \d\d:\d\d  the node does not run: nobody can log in$", text, re.M)
    value = peopled.json("overview")
    assert value.keys() == {"overview", "alerts"}
    assert {row["name"] for row in value["overview"]["services"]} >= {"imap", "smtp", "console"}
    assert value["alerts"][0]["screen"] == "services"


def test_people_are_found(peopled: Postern) -> None:
    text = peopled.text("find", "ER@A").splitlines()
    assert [line.split() for line in text] == [["ADDRESS", "MAP", "BACKEND", "ACCOUNT"],
                                               ["other@a.test", "people", "mail2", "on"]]
    assert [row["address"] for row in peopled.json("find", "user", "--limit", "2")] == [
        "user0@example.test", "user1@example.test"]
    assert "nobody has 100% in their address" in peopled.text("find", "100%", status=1)
    assert peopled.json("find", "100%", status=1) == []
    assert "\x1b" not in peopled.text("find", "\x1b[2J", status=1)


def test_pages_of_a_map(peopled: Postern) -> None:
    page = peopled("map", "entries", "people", "--limit", "2")
    assert page.stdout.splitlines()[1:] == ["@a.test             mail2", "user0@example.test  mail2"]
    assert page.stderr == "postern: there are more: --after user0@example.test\n"
    rest = peopled.json("map", "entries", "people", "--after", "user0@example.test", "--filter", "user")
    assert rest == {"entries": [[f"user{n}@example.test", "mail2"] for n in (1, 2, 3)], "more": False}
    assert peopled.text("map", "entries", "people", "--backend", "mail9") == "no entry\n"
    assert "there is no map nowhere" in peopled.text("map", "entries", "nowhere", status=1)
    peopled.text("map", "create", "elsewhere", "type=file", "path=/dev/null")
    assert "are not kept here" in peopled.text("map", "entries", "elsewhere", status=1)
