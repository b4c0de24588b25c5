"""Whatever octets come, in whatever pieces: the same effects, few of them, and no exception but the agreed ones."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from appliance.protocols.conversation import BACKEND, CLIENT, Misspoken, ReadExactly, ReadLine, Side
from appliance.protocols.managesieve.frontend import managesieve
from appliance.protocols.managesieve.grammar import QUOTED, Malformed, quoted, read_text, string, strings
from appliance.protocols.managesieve.responses import Response, response_of
from tests.protocols.strangers import CUTS, RETAINED, play

READY = b'"SASL" "PLAIN"\r\nOK "ready"\r\n'
LOG_IN = b'AUTHENTICATE "PLAIN" "AG1hcmlhAHB3"\r\n'
TOLD = re.compile(  # all that a client is ever told: strings, statuses, codes
    rb'(?:(?:OK|NO|BYE)(?: \((?:[A-Z-]+|TAG "[^"\r\n]*"|TAG \{\d+\}\r\n[^\0]*)\))?(?: "(?:[^"\\\r\n]|\\["\\])*")?\r\n'
    rb'|"[^"\r\n]*"(?: "[^"\r\n]*")?\r\n)*'
)

WORDS = st.sampled_from(
    [
        b"AUTHENTICATE ",
        b'"PLAIN"',
        b'"LOGIN"',
        b' "',
        b'"',
        b"\\",
        b"{3+}",
        b"{3+}\r\n",
        b"{3}",
        b"{16384+}",
        b"{99999999999999999999+}",
        b"{+}",
        b"}",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b'"="',
        b'"*"',
        b"abc",
        b" ",
        b'"AG1hcmlhAHB3"',
        b"NOOP",
        b"NOOP \"x\"",
        b"CAPABILITY",
        b"PUTSCRIPT ",
        b"x" * 4096,
        b'"' * 8000,
        b"\xff",
        LOG_IN,
    ]
)
ANYTHING = st.lists(WORDS | st.binary(max_size=12), max_size=30).map(b"".join)
STORE_WORDS = st.sampled_from(
    [
        b"OK",
        b"NO",
        b"BYE",
        b" (TRYLATER)",
        b" (REFERRAL ",
        b")",
        b"(",
        b' "',
        b'"',
        b"\\",
        b'"SASL" ',
        b'"PLAIN"',
        b'"STARTTLS"',
        b"ready",
        b"\r\n",
        b"\r\n",
        b"{3}\r\n",
        b"{3+}\r\n",
        b"{99999}\r\n",
        b"\0",
        b"\r",
        READY,
        b'OK "in"\r\n',
        b"x" * 16384,
    ]
)
STORE_ANYTHING = st.lists(STORE_WORDS | st.binary(max_size=12), max_size=20).map(b"".join)


@given(ANYTHING, CUTS)
def test_a_client_may_say_anything(octets: bytes, cuts: list[int]) -> None:
    played = play(managesieve, octets, READY, cuts)
    assert played == play(managesieve, octets, READY, [])
    assert played.held <= 2 * RETAINED
    assert len([effect for effect in played.effects if effect[0] == "Admit"]) <= 20


@given(STORE_ANYTHING, CUTS)
def test_a_store_may_say_anything(octets: bytes, cuts: list[int]) -> None:
    client = LOG_IN + b"LOGOUT\r\n"
    played = play(managesieve, client, octets, cuts)
    assert played == play(managesieve, client, octets, [])
    assert played.held <= 2 * RETAINED
    if played.end.startswith("relay"):
        assert b"OK" in octets.upper()


@given(STORE_ANYTHING)
@example(b'NO (TRYLATER) "a\\"b"\r\n')
@example(b"OK {3}\r\na\\b\r\n")
def test_what_a_store_says_is_passed_on_in_one_form_only(octets: bytes) -> None:
    played = play(managesieve, LOG_IN, READY + octets, [])
    told = [effect[2] for effect in played.effects if effect[:2] == ("Send", CLIENT)]
    assert all(TOLD.fullmatch(line) for line in told if isinstance(line, bytes)), told


def heard(octets: bytes, side: Side) -> bytes | str:
    """What reading a line of these octets returns, or how it ends."""
    reading, answer = read_text(side), b""
    next(reading)
    try:
        while True:
            effect = reading.send(answer) if answer else None
            if effect is None or isinstance(effect, ReadLine):
                answer, octets = octets[: octets.find(b"\n") + 1], octets[octets.find(b"\n") + 1 :]
            else:
                assert isinstance(effect, ReadExactly) and 0 < effect.count <= 16384
                answer, octets = octets[: effect.count], octets[effect.count :]
    except StopIteration as end:
        result: bytes = end.value
        return result
    except (Malformed, Misspoken) as end:
        return str(end)


STRINGS = st.lists(st.binary(max_size=40) | st.text(max_size=QUOTED).map(str.encode), min_size=1, max_size=4)


@given(STRINGS, st.sampled_from([CLIENT, BACKEND]))
@example([b'"\\', b"{3+}", b"", b"\r\n"], CLIENT)
@example([b"x" * 1025], BACKEND)
def test_strings_come_through_as_they_were(values: list[bytes], side: Side) -> None:
    """What is written for one side is read as it was meant where that side's words are heard."""
    other = BACKEND if side is CLIENT else CLIENT
    written = b"".join(b" " + string(value, other) for value in values)
    text = heard(written + b"\r\n", side)
    if any(b"\0" in value for value in values):
        assert text == "NUL or bare CR"
    else:
        assert isinstance(text, bytes) and strings(text) == values


@given(st.binary(max_size=60))
def test_a_quoted_string_is_one_string(octets: bytes) -> None:
    assert strings(b" " + quoted(octets)) == [octets]


PIECES = st.sampled_from([b"OK", b"NO", b"BYE", b" ", b"(", b")", b'"', b"\\", b"X"])


@given(st.lists(PIECES, max_size=12).map(b"".join))
@example(b'NO (REFERRAL "a)\\"b" 5) "words"')
@example(b"OK")
@example(b"OK(\\)")
def test_a_response_is_its_status_or_strings(text: bytes) -> None:
    try:
        response = response_of(text)
    except Malformed:
        return
    assert bool(response.status) == text[:1].isalpha()
    assert response.status in (b"OK", b"NO", b"BYE", b"") and b"\\" not in response.code
    assert bool(response.status) or response.strings


def test_codes_and_words() -> None:
    assert response_of(b'NO (REFERRAL "a)\\"b" 5) "wo\\"rds"') == Response(b"NO", b"REFERRAL", b'wo"rds')
    assert response_of(b"no(trylater)") == Response(b"NO", b"TRYLATER", b"")
    assert response_of(b'BYE "(TRYLATER)"') == Response(b"BYE", b"", b"(TRYLATER)")
