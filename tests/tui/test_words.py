"""Text that strangers made up never disturbs a terminal, whatever it is; and it is bounded."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.words import address, age, bars, began, count, many, milliseconds, plain, since, size

NEVER = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda one: st.lists(one, max_size=4),
    max_leaves=8,
)


@given(ANYTHING, st.integers(1, 40))
def test_nothing_but_letters_gets_through(value: object, most: int) -> None:
    shown = plain(value, most)
    assert not {unicodedata.category(letter) for letter in shown} & NEVER
    assert len(shown) <= 6 * most + 10  # each letter may have become an escape


@given(st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zp"]), min_size=1, max_size=30))
def test_what_is_hidden_can_still_be_read(text: str) -> None:
    assert plain(text).count("\\") == len(text)


@pytest.mark.parametrize(("text", "shown"), [
    ("maria@example.org", "maria@example.org"),
    ("Jürgen 日本", "Jürgen 日本"),
    ("a\x1b]0;owned\x07b", "a\\x1b]0;owned\\x07b"),
    ("\x9b31m", "\\x9b31m"),
    ("abc\u202ecba", "abc\\u202ecba"),
    ("one\r\ntwo", "one\\x0d\\x0atwo"),
])  # fmt: skip
def test_examples(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_long_text_says_that_it_was_longer() -> None:
    assert plain("x" * 1000, 10) == "x" * 9 + "…"


@given(st.floats(0, 1e15))
def test_sizes_and_ages_are_short(number: float) -> None:
    assert len(size(number)) <= 7 and len(milliseconds(number)) <= 20
    assert "\n" not in age(number)


def test_words_for_numbers() -> None:
    assert (size(999), size(4_900_000), size(1_500)) == ("999", "4.7M", "1.5k")
    assert (age(59), age(3661), age(90_000)) == ("59s", "1h 01m", "1d 01h")
    assert (many(1, "session"), many(1200, "session")) == ("1 session", "1,200 sessions")
    assert (count(None), count(48213), milliseconds(None), milliseconds(1840)) == ("", "48,213", "", "1.8 s")
    assert since(100.0, 160.0) == "1m 00s" and since(None) == "" and began(None) == ""
    assert began(time.time()) == time.strftime("%H:%M") and len(began(0.0)) == 6


@given(st.lists(st.floats(0, 1e9), max_size=20))
def test_bars_are_a_letter_for_each(values: list[float]) -> None:
    assert len(bars(values)) == len(values)


@pytest.mark.parametrize(("peer", "ip"), [
    ("192.0.2.7:4", "192.0.2.7"), ("[2001:db8::1]:4", "2001:db8::1"), ("2001:db8::1", "2001:db8::1"), ("", ""),
])  # fmt: skip
def test_address_without_port(peer: str, ip: str) -> None:
    assert address(peer) == ip
