"""Whatever octets come, in whatever pieces: the same effects, few of them, and no exception but the agreed ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.protocols.conversation import CLIENT, HangUp, Secure
from appliance.protocols.imap.frontend import imap
from tests.protocols.strangers import CUTS, RETAINED, play

READY = b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n"

WORDS = st.sampled_from(
    [
        b"a1 ",
        b"LOGIN ",
        b"AUTHENTICATE ",
        b"PLAIN ",
        b"LOGIN",
        b"ID ",
        b"NIL",
        b"(",
        b")",
        b'"',
        b"\\",
        b"{3}",
        b"{3+}",
        b"{4097+}",
        b"{99999999999999999999}",
        b"{+}",
        b"}",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"=",
        b"*",
        b"abc",
        b" ",
        b"AG1hcmlhAHB3",
        b"STARTTLS",
        b"NOOP",
        b"CAPABILITY",
        b"x" * 4096,
        b"x" * 16384,
        b"\xff",
        "ü".encode(),
        b"a1 LOGIN m p\r\n",
    ]
)
ANYTHING = st.lists(WORDS | st.binary(max_size=12), max_size=30).map(b"".join)
STORE_WORDS = st.sampled_from(
    [
        b"* OK",
        b"* BYE",
        b"* PREAUTH",
        b"* ",
        b"[CAPABILITY ",
        b"IMAP4rev1 ",
        b"SASL-IR ",
        b"AUTH=PLAIN",
        b"] ",
        b"ready",
        b"\r\n",
        b"\r\n",
        b"P0 ",
        b"P1 ",
        b"P2 ",
        b"OK ",
        b"NO ",
        b"BAD ",
        b"+ ",
        b"{3}\r\n",
        b"{99999}\r\n",
        b"\0",
        b"\r",
        b"CAPABILITY ",
        b"[LIMIT] ",
        b"[] ",
        b"[",
        READY,
        b"P1 OK [CAPABILITY IMAP4rev1] in\r\n",
        b"x" * 16384,
    ]
)
STORE_ANYTHING = st.lists(STORE_WORDS | st.binary(max_size=12), max_size=20).map(b"".join)


@given(ANYTHING, CUTS)
def test_a_client_may_say_anything(octets: bytes, cuts: list[int]) -> None:
    played = play(imap, octets, READY, cuts)
    assert played == play(imap, octets, READY, [])
    assert played.held <= RETAINED
    assert len([effect for effect in played.effects if effect[0] == "Admit"]) <= 20


@given(STORE_ANYTHING, CUTS)
def test_a_store_may_say_anything(octets: bytes, cuts: list[int]) -> None:
    client = b"a1 LOGIN maria pw\r\na2 LOGOUT\r\n"
    played = play(imap, client, octets, cuts)
    assert played == play(imap, client, octets, [])
    assert played.held <= 2 * RETAINED
    if played.end.startswith("relay"):
        assert b"P1 OK" in octets.upper()


@given(STORE_ANYTHING)
def test_a_store_that_greets_well_may_then_say_anything(octets: bytes) -> None:
    played = play(imap, b"a1 LOGIN maria pw\r\n", READY + octets, [])
    told = b"".join(
        effect[2] for effect in played.effects if effect[:2] == ("Send", CLIENT) if isinstance(effect[2], bytes)
    )
    assert b"\0" not in told and b"\r" not in told.replace(b"\r\n", b"")


def test_the_helpers_see_what_they_should() -> None:
    played = play(imap, b"a1 LOGIN maria pw\r\nrest", READY + b"P1 OK [CAPABILITY IMAP4rev1] in\r\n", [1, 2, 3])
    assert played.end == "relay b'rest'"
    assert [effect[0] for effect in played.effects].count("Send") == 3
    assert not [effect for effect in played.effects if effect[0] in (Secure.__name__, HangUp.__name__)]
    assert play(imap, b"x" * 20000, b"", []).end == "Misspoken line too long"
