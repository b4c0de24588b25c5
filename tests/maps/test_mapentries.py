"""What entries may say: however it is decided, the answer is that of look-ups."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.control.formats import Wrong
from appliance.control.mapentries import SHOWN, EntryRules, keys, shown
from appliance.routing.names import Name
from db.objects import Objects

LABELS = st.sampled_from(["x", "X", "example", "bücher", "xn--bcher-kva", "old", "a b", "-", "", "a_b", "é"])
LOCALS = st.sampled_from(
    ["maria", "Maria", "m+tag", "M+", "+m", "", "ß", "İ", "a b", '"a"', "a@b", "x" * 65, "a,b", "\u200b", "'"]
)
ADDRESSES = st.one_of(
    st.text(max_size=30),
    st.builds("{}@{}.test".format, LOCALS, LABELS),
    st.builds("{}{}".format, LOCALS, LABELS),
    st.builds(" {}@{} ".format, LOCALS, LABELS),
)


def entry_rules(fold: str = "lower", aliases: dict[str, str] | None = None, default_domain: str = "") -> EntryRules:
    """The rules of a map on a site."""
    site: dict[str, Any] = {"aliases": aliases or {}, "default_domain": default_domain}
    stored = {("site", ""): (site, 1), ("map", "people"): ({"fold": fold}, 1), ("backend", "alpha"): ({}, 1)}
    return EntryRules(Objects(1, stored), "people")


RULES = [
    entry_rules(),
    entry_rules("none"),
    entry_rules(aliases={"old.test": "new.test"}),
    entry_rules(default_domain="x.test"),
]


@pytest.mark.parametrize("rules", RULES)
@given(rows=st.lists(st.tuples(ADDRESSES, st.sampled_from(["alpha", " alpha", "beta", ""])), max_size=6))
def test_judging_many_is_judging_each(rules: EntryRules, rows: list[tuple[str, str]]) -> None:
    numbered = [(number, *row) for number, row in enumerate(rows, 1)]
    wrong: list[Wrong] = []
    good = {line: (address, backend) for line, address, backend in rules.judge(numbered, wrong)}
    refused = {each.line for each in wrong}
    assert len(good) + len(wrong) == len(rows)
    for line, address, backend in numbered:
        try:
            expected = rules.address(address), rules.backend(backend)
        except ValueError:
            assert line in refused
        else:
            assert good[line] == expected


@pytest.mark.parametrize("rules", RULES)
@given(text=ADDRESSES)
def test_a_form_is_its_own_form_and_what_look_ups_ask_for(rules: EntryRules, text: str) -> None:
    try:
        address = rules.address(text)
    except ValueError:
        return
    assert rules.address(address) == address
    if not address.startswith("@"):
        assert keys(rules.name(text))[0] == (address, "exact")


def test_keys_in_the_order_of_look_ups() -> None:
    assert keys(Name("m+t@x", "m@x", "x")) == [("m+t@x", "exact"), ("m@x", "without-tag"), ("@x", "domain")]
    assert keys(Name("maria")) == [("maria", "exact")]


def test_what_is_shown_is_short_and_quiet() -> None:
    assert len(shown("x" * 10_000)) < SHOWN + 10
    assert "\x1b" not in shown("\x1b[31m\u202e")
    assert shown("\u202e").isascii()
