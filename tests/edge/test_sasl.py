"""SASL: what is let through, what is refused, and that no octets make it fail in another way."""

from __future__ import annotations

import base64
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.edge import sasl
from appliance.terms import Secret


def test_plain_takes_its_three_fields() -> None:
    found = sasl.plain(b"\0maria@example.test\0s3cret with space")
    assert (found.name, found.authzid, found.password) == ("maria@example.test", "", Secret(b"s3cret with space"))


def test_an_authzid_is_passed_on_only_if_it_names_another() -> None:
    assert sasl.plain(b"otto\0maria\0x").authzid == "otto"
    assert sasl.plain(b"maria\0maria\0x").authzid == ""


@pytest.mark.parametrize(
    "message", [b"", b"maria", b"\0maria", b"\0maria\0pw\0", b"\0ma\xffria\0pw", b"\0m\0" + b"p" * 4097]
)
def test_malformed_messages(message: bytes) -> None:
    with pytest.raises(sasl.Malformed) as raised:
        sasl.plain(message)
    assert not isinstance(raised.value, sasl.BadName)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "ma ria",
        'ma"ria',
        "ma\x00",
        "ma\r\nria",
        "ma\tria",
        "ma\x7fria",
        "ma\x85ria",
        "ma\u2028ria",
        "ma\u202eria",
        "ma\u200bria",
        "m" * 513,
        "\tmaria",
        "maria\n",
    ],
)
def test_names_that_no_mailbox_may_have(name: str) -> None:
    with pytest.raises(sasl.BadName):
        sasl.checked_name(name.encode())


@pytest.mark.parametrize(
    "name", ["maria@example.test", " maria ", "jörg@exämple.test", "CORP\\maria", "o'neil", "用户@例え.test"]
)
def test_names_that_people_have(name: str) -> None:
    assert sasl.checked_name(name.encode()) == name


@pytest.mark.parametrize(
    "text", [b"AAA", b"AA=A", b"AA==AA==", b"A\tAA", b"AAAA\n", b"*", b"==", b"=AAA", b"A" * 12292]
)
def test_base64_is_strict(text: bytes) -> None:
    with pytest.raises(sasl.Malformed):
        sasl.decode(text)


def test_empty_responses() -> None:
    assert sasl.decode(b"=") == sasl.decode(b"") == b""


@given(st.binary(max_size=600))
def test_any_octets_give_credentials_or_malformed(octets: bytes) -> None:
    try:
        found = sasl.plain(octets)
    except sasl.Malformed:
        return
    shown = found.name.strip(" ")
    assert shown and not any(unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp", "Zs") for letter in shown)
    assert '"' not in shown


@given(st.binary(max_size=100))
def test_any_text_decodes_or_is_malformed(octets: bytes) -> None:
    try:
        decoded = sasl.decode(octets)
    except sasl.Malformed:
        return
    assert octets in (b"=", b"") or base64.b64decode(octets, validate=True) == decoded


@given(st.text("abcäß@.", min_size=1, max_size=40), st.binary(max_size=60).filter(lambda word: 0 not in word))
def test_what_we_say_is_what_we_understand(name: str, word: bytes) -> None:
    found = sasl.plain(sasl.decode(sasl.encode_plain("other@example.test", name, Secret(word))))
    assert (found.name, found.password, found.authzid) == (name, Secret(word), "other@example.test")


def test_an_authzid_equal_to_the_name_is_left_out() -> None:
    assert base64.b64decode(sasl.encode_plain("maria", "maria", Secret(b"x"))) == b"\0maria\0x"


def test_malformed_texts_never_repeat_what_was_sent() -> None:
    with pytest.raises(sasl.Malformed) as raised:
        sasl.plain(b"s3cret")
    assert "s3cret" not in str(raised.value)
