"""Whatever octets come, in whatever pieces: the same effects, few of them, and no exception but the agreed ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.protocols.conversation import CLIENT, HangUp, Secure
from appliance.protocols.pop3.frontend import pop3
from tests.protocols.strangers import CUTS, RETAINED, play

READY = b"+OK ready\r\n+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n"

WORDS = st.sampled_from(
    [
        b"USER ",
        b"PASS ",
        b"AUTH ",
        b"PLAIN ",
        b"LOGIN",
        b"CAPA",
        b"STLS",
        b"STAT",
        b"maria",
        b"AG1hcmlhAHB3",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"=",
        b"*",
        b" ",
        b"\xff",
        "ü".encode(),
        b"x" * 255,
        b"x" * 4096,
        b"x" * 16384,
        b"USER m\r\nPASS p\r\n",
    ]
)
ANYTHING = st.lists(WORDS | st.binary(max_size=12), max_size=30).map(b"".join)
STORE_WORDS = st.sampled_from(
    [
        b"+OK",
        b"+OK ",
        b"-ERR ",
        b"+ ",
        b"[IN-USE] ",
        b"[SYS/TEMP",
        b"[] ",
        b"[XCLIENT] ",
        b"SASL PLAIN\r\n",
        b"USER\r\n",
        b".\r\n",
        b"\r\n",
        b"\r\n",
        b"\0",
        b"\r",
        b"\xff",
        READY,
        b"+OK in\r\n",
        b"x" * 16384,
    ]
)
STORE_ANYTHING = st.lists(STORE_WORDS | st.binary(max_size=12), max_size=20).map(b"".join)


@given(ANYTHING, CUTS)
def test_a_client_may_say_anything(octets: bytes, cuts: list[int]) -> None:
    played = play(pop3, octets, READY, cuts)
    assert played == play(pop3, octets, READY, [])
    assert played.held <= RETAINED
    assert len([effect for effect in played.effects if effect[0] == "Admit"]) <= 20


@given(STORE_ANYTHING, CUTS)
def test_a_store_may_say_anything(octets: bytes, cuts: list[int]) -> None:
    client = b"USER maria\r\nPASS pw\r\nQUIT\r\n"
    played = play(pop3, client, octets, cuts)
    assert played == play(pop3, client, octets, [])
    assert played.held <= 2 * RETAINED
    if played.end.startswith("relay"):
        assert octets.upper().count(b"+OK") >= 2


@given(STORE_ANYTHING, st.sampled_from([b"", READY]))
def test_what_a_store_says_reaches_the_client_as_single_lines(octets: bytes, before: bytes) -> None:
    played = play(pop3, b"USER maria\r\nPASS pw\r\n", before + octets, [])
    told = b"".join(
        effect[2] for effect in played.effects if effect[:2] == ("Send", CLIENT) if isinstance(effect[2], bytes)
    )
    assert b"\0" not in told and b"\r" not in told.replace(b"\r\n", b"") and told.isascii()
    assert all(line[:3] in (b"+OK", b"-ER") for line in told.split(b"\r\n")[:-1])


def test_the_helpers_see_what_they_should() -> None:
    played = play(pop3, b"USER maria\r\nPASS pw\r\nSTAT\r\n", READY + b"+OK in\r\n", [1, 2, 3])
    assert played.end == "relay b'STAT\\r\\n'"
    assert [effect[0] for effect in played.effects].count("Send") == 5
    assert not [effect for effect in played.effects if effect[0] in (Secure.__name__, HangUp.__name__)]
    assert play(pop3, b"x" * 20000, b"", []).end == "Misspoken line too long"
