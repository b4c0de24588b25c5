"""A draft of settings: what is typed becomes, and what is told of it; nothing that is typed can break it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.drafts import KEPT, Draft, meant, written


def setting(name: str, default: Any, value: Any = None, **more: Any) -> dict[str, Any]:
    """As the node's."""
    return {"name": name, "default": default, "value": default if value is None else value, "unit": "",
            "set": value is not None, "help": "What it is.", "file": False, "live": True, **more}  # fmt: skip


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        (True, "no", False),
        (4, " 7 ", 7),
        (4, "1 000 000", 1_000_000),
        (0.5, "0.25", 0.25),
        ([], "[::]:993, 192.0.2.1:993", ["[::]:993", "192.0.2.1:993"]),
        (["people"], "", []),
        ({}, "imap=127.0.0.1:143, pop3=127.0.0.1:110", {"imap": "127.0.0.1:143", "pop3": "127.0.0.1:110"}),
        ("", "mail1", "mail1"),
        ("50 MiB", "20 MiB", "20 MiB"),
    ],
)
def test_what_is_typed_has_the_shape_of_the_default(default: Any, text: str, value: Any) -> None:
    found = meant(setting("x", default), text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("default", "text", "why"), [
    (True, "maybe", "yes or no"), (4, "four", "a number"), ({}, "imap", "'imap' has no value"),
])  # fmt: skip
def test_what_has_not_is_refused_with_a_sentence(default: Any, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        meant(setting("x", default), text)


@given(st.one_of(
    st.booleans(), st.integers(-10**9, 10**9), st.floats(-1e6, 1e6),
    st.lists(st.text("abc.:[]/0123456789-", min_size=1), max_size=5),
    st.dictionaries(st.text("abc", min_size=1), st.text("abc.:019", min_size=1), max_size=3),
))  # fmt: skip
def test_what_is_written_is_what_was_meant(value: Any) -> None:
    assert meant(setting("x", type(value)()), written(value)) == value


@given(st.sampled_from([True, 4, 0.5, [], {}, ""]), st.text(max_size=200))
def test_any_text_is_a_value_or_a_sentence(default: Any, text: str) -> None:
    try:
        value = meant(setting("x", default), text)
    except ValueError as error:
        assert str(error).isprintable()
    else:
        assert isinstance(value, int | float) if isinstance(default, int | float) else isinstance(value, type(default))


def test_a_draft_tells_its_differences_and_its_command() -> None:
    draft = Draft()
    draft.read([setting("attempts", 4), setting("map", ["people"], ["staff"]), setting("hash_threads", 2, live=False)])
    draft.type("attempts", "7")
    draft.put("map", None)
    draft.type("hash_threads", "4")
    assert draft.differences() == [
        "attempts: 4 → 7", "map: staff → people", "hash_threads: 2 → 4   (when the node is started again)",
    ]  # fmt: skip
    assert draft.words() == "attempts=7 --default map hash_threads=4"


def test_what_is_typed_back_is_no_change() -> None:
    draft = Draft()
    draft.read([setting("attempts", 4)])
    draft.type("attempts", "7")
    draft.type("attempts", "4")
    assert draft.values == {}
    draft.put("attempts", None)  # it is the default already
    assert draft.values == {}


def test_another_administrator_s_change_is_told_and_the_draft_stays() -> None:
    draft = Draft()
    draft.read([setting("attempts", 4)])
    draft.type("attempts", "7")
    draft.read([setting("attempts", 4, 9)])
    assert (draft.values, draft.meanwhile("attempts")) == ({"attempts": 7}, "9")
    assert "somebody else just set 9" in draft.differences()[0]
    draft.read([setting("attempts", 4, 7)])  # the same as ours: nothing left to do
    assert draft.values == {}


def test_a_secret_is_never_told() -> None:
    draft = Draft()
    draft.read([setting("master_password_file", "", KEPT, file=True, secret=True)])
    draft.type("master_password_file", "kx-s3cret")
    told = " ".join([*draft.differences(), draft.words()])
    assert "s3cret" not in told
    assert told == "master_password_file: <kept> → (new) master_password_file=FILE"


def test_an_escape_sequence_in_a_value_is_shown_as_text() -> None:
    draft = Draft()
    draft.read([setting("login_name", "", "\x1b]52;c;x\x07")])
    draft.put("login_name", None)
    assert "\x1b" not in draft.differences()[0]
