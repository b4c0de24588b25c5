"""There is always an owner: also where two changes, each right by itself, would leave nobody."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from appliance.cluster.log import Op
from appliance.control.api import Refused
from appliance.control.api.admins import AdminAdd, AdminKeyRemove, AdminRemove, AdminRole
from appliance.control.commands import answer
from appliance.control.node import By, Node
from appliance.control.owners import guard, stored
from appliance.home import Home
from db import admins
from tests.control.running import TESTER


@pytest.fixture
def node(home: Home) -> Iterator[Node]:
    """With two owners and a viewer."""
    with contextlib.closing(Node.open(home)) as opened:
        for name, role in (("maria", "owner"), ("olga", "owner"), ("vera", "viewer")):
            list(answer(opened, TESTER, AdminAdd(name, role)))
        yield opened


def gone(node: Node, name: str) -> Op:
    found = admins.get(node.reader(), name)
    assert found is not None
    return Op("admin", {"name": name}, None, found.rev)


def test_of_two_owners_who_remove_each_other_one_stays(node: Node) -> None:
    first, second = (guard(node, TESTER, [gone(node, name)]) for name in ("maria", "olga"))
    node.change(TESTER, "admin remove maria", first)
    with pytest.raises(Refused, match=r"was changed meanwhile|is not there any more"):
        node.change(TESTER, "admin remove olga", second)
    assert admins.role(node.reader(), "olga") == "owner"


def test_two_who_do_not_matter_are_no_conflict(node: Node) -> None:
    first, second = guard(node, TESTER, [gone(node, "vera")]), guard(node, TESTER, [gone(node, "maria")])
    node.change(TESTER, "admin remove vera", first)
    node.change(TESTER, "admin remove maria", second)
    assert [one.name for one in admins.all(node.reader())] == ["olga"]


def test_one_owner_may_come_as_another_goes(node: Node) -> None:
    vera = admins.get(node.reader(), "vera")
    assert vera is not None
    ops = [gone(node, "maria"), gone(node, "olga")]
    with pytest.raises(Refused, match="the last owner"):
        guard(node, TESTER, ops)
    instead = stored(vera)
    assert instead.row is not None
    instead.row["role"] = "owner"
    assert guard(node, TESTER, [*ops, instead]) == [*ops, instead]


def test_only_owners_pass(node: Node) -> None:
    for role in ("viewer", "operator", "no administrator", ""):
        with pytest.raises(Refused, match="only an owner changes administrators"):
            guard(node, By("x", "here", role), [gone(node, "vera")])
        assert guard(node, By("x", "here", role), [Op("account", {"address": "a"}, None, 1)])


@pytest.mark.parametrize("request_", [AdminRemove("nobody"), AdminRole("nobody", "owner"), AdminRole("vera", "king"),
                                      AdminKeyRemove("vera", "SHA256:x")])  # fmt: skip
def test_what_is_not_there_is_told(node: Node, request_: AdminRemove | AdminRole | AdminKeyRemove) -> None:
    *_, last = answer(node, TESTER, request_)
    assert "nobody" in str(last) or "no role" in str(last) or "has no key" in str(last)
