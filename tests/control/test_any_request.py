"""Any request that decodes has an answer: whatever its values are, no handler may end in a bug."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.control.api import Failed, Request
from appliance.control.commands import all_handlers, answer
from appliance.control.node import By, Node
from appliance.home import Home
from db.catalogue import KINDS

TEXTS = st.one_of(
    st.sampled_from([
        "", "*", "one", "people", "imap", "site", "limits", "certificate", "maria@example.test", "@example.test", "x@",
        "maria", "owner", "192.0.2.7", "::1/64", "::ffff:1.2.3.4", "1", "9" * 30, "a\0b", "<kept>", "sealed:x",
        "ok", "refused",
    ]),
    st.sampled_from([setting.name for kind in KINDS.values() for setting in kind.settings]),
    st.text(max_size=12),
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.one_of(st.integers(-2, 3), st.integers(-(2**63), 2**64 - 1)),
    float: st.one_of(st.just(0.0), st.floats(allow_nan=False, allow_infinity=False)),
    bool: st.booleans(),
    Any: VALUES,
}


def of_type(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    if kind in PLAIN:
        return PLAIN[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is dict:
        return st.dictionaries(TEXTS, VALUES, max_size=3)
    if origin in (list, tuple):
        made = st.lists(of_type(inner[0]), max_size=3)
        return made if origin is list else made.map(tuple)
    assert not isinstance(origin, types.UnionType), kind
    return st.builds(kind, **{name: of_type(of) for name, of in get_type_hints(kind).items()})


def requests() -> st.SearchStrategy[Request]:
    """Each kind of request, all its fields drawn."""
    return st.one_of([of_type(kind) for kind in all_handlers()])


@pytest.fixture
def node(home: Home) -> Iterator[Node]:
    """A stopped node, with something of each sort in it."""
    with contextlib.closing(Node.open(home)) as opened:
        yield opened


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request_=requests())
def test_no_request_ends_in_a_bug(node: Node, request_: Request) -> None:
    *_, last = answer(node, By("tester", "test", lets_in=True), request_)
    assert not isinstance(last, Failed) or "internal error" not in last.text, (request_, last)
