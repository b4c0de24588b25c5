"""Names: the contract's rules in their order, and nothing that a stranger types gets past them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.routing.names import LONGEST, Name, rules

RULES = rules("example.test", "+", {"old.example": "New.Example", "bücher.example": "books.example"})


@pytest.mark.parametrize(
    ("typed", "whole", "untagged"),
    [
        ("  maria@example.test\t", "maria@example.test", ""),
        ("maria", "maria@example.test", ""),
        ("Maria@EXAMPLE.Test", "Maria@example.test", ""),
        ("maria+tag@example.test", "maria+tag@example.test", "maria@example.test"),
        ("a+b+c", "a+b+c@example.test", "a@example.test"),
        ("+tag@example.test", "+tag@example.test", ""),
        ("maria@old.EXAMPLE", "maria@new.example", ""),
        ("maria+x@old.example", "maria+x@new.example", "maria@new.example"),
        ("maria@BÜCHER.example", "maria@books.example", ""),
        ("maria@müller.test", "maria@xn--mller-kva.test", ""),
        ("josé@example.test", "josé@example.test", ""),
        ("CORP\\maria@example.test", "CORP\\maria@example.test", ""),
    ],
)
def test_rules(typed: str, whole: str, untagged: str) -> None:
    assert RULES.normalise(typed) == Name(whole, untagged, whole.rpartition("@")[2])


@pytest.mark.parametrize(
    "typed",
    [
        "", " ", "@", "@example.test", "maria@", "a@b@example.test", "ma ria@example.test", 'ma"ria@example.test',
        "maria\0@example.test", "maria\r\nx@example.test", "maria\x7f", "maria\u2028@example.test", "\u202emaria",
        "maria\udcff@example.test", "maria@exa\u0000mple.test", "maria@ex ample.test", "maria@-ü.test",
        "x" * (LONGEST + 1), "é" * 200 + "@example.test", "maria@" + "ü" * 64 + ".test",
    ],
)  # fmt: skip
def test_what_is_nobody(typed: str) -> None:
    assert RULES.normalise(typed) is None


def test_no_default_domain_no_delimiter() -> None:
    plain = rules("", "", {})
    assert plain.normalise("maria+tag") == Name("maria+tag")
    assert rules("", "--", {}).normalise("a--b@c.test") == Name("a--b@c.test", "a@c.test", "c.test")


def test_alias_applies_to_the_default_domain() -> None:
    assert rules("old.example", "+", {"old.example": "new.example"}).normalise("maria") == Name(
        "maria@new.example", "", "new.example"
    )


def test_fold_keeps_what_is_low_already() -> None:
    low = Name("maria+a@x.test", "maria@x.test", "x.test")
    assert low.folded() is low
    assert Name("Maria+A@x.test", "Maria@x.test", "x.test").folded() == low


def test_a_domain_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="'-ü'"):
        rules("", "+", {"-ü": "x.test"})


@given(st.text(max_size=400) | st.from_regex(r"[a-zA-Z+@. üÜ\"]{1,30}@?[a-zA-ZüÜ.-]{0,20}"))
@example("a@\uff21.test")
@example("\u0130@x.test")
def test_whatever_is_typed(typed: str) -> None:
    plain = rules("example.test", "+", {})
    name = plain.normalise(typed)
    if name is None:
        return
    assert name.whole.isprintable() and not set(name.whole) & set(' "\r\n\0')
    assert len(name.whole.encode()) <= LONGEST
    local, _, domain = name.whole.partition("@")
    assert local and domain == name.domain == domain.lower() and domain.isascii()
    assert plain.normalise(name.whole) == name, "normal is normal"
    assert not name.untagged or (name.untagged != name.whole and name.untagged.endswith(f"@{domain}"))
