"""Whatever octets come, in whatever pieces: the same effects, few of them, and no exception but the agreed ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from appliance.protocols.conversation import (
    BACKEND,
    CLIENT,
    Admit,
    Door,
    Effect,
    Gone,
    HangUp,
    LineTooLong,
    Misspoken,
    ReadExactly,
    ReadLine,
    Relay,
    Secure,
    Side,
)
from appliance.protocols.imap.frontend import imap
from appliance.protocols.imap.grammar import Command
from appliance.terms import Endpoint, Route, Secret

ROUTE = Route(Endpoint("beta", "192.0.2.1", 143), "maria", "maria", "maria", Secret(b"pw"), "map people")
READY = b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n"
RETAINED = 64 * 1024  # octets a conversation may hold of one command, however it is sent

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
CUTS = st.lists(st.integers(1, 4000), max_size=8)


@dataclass
class Play:
    """What came of it."""

    effects: list[tuple[object, ...]] = field(default_factory=list)
    end: str = ""
    held: int = 0


def door() -> Door:
    return Door(
        "host", secured=True, starttls=False, may_log_in_clear=False, client_ip="::1", client_port=1, session="s"
    )


def play(client: bytes, store: bytes, cuts: list[int]) -> Play:
    """Run a conversation whose peers say these octets in these pieces and then leave."""
    pieces = {CLIENT: cut(client, cuts), BACKEND: cut(store, cuts)}
    unread = {CLIENT: bytearray(), BACKEND: bytearray()}
    conversation, result = imap(door()), Play()
    answer: object = None
    raised: BaseException | None = None
    for _ in range(3000):
        try:
            effect = conversation.throw(raised) if raised else conversation.send(answer)
        except StopIteration:
            result.end = "closed"
            return result
        except (Misspoken, Gone) as end:
            result.end = f"{type(end).__name__} {end}"
            return result
        answer, raised = None, None
        result.effects.append(shown(effect))
        result.held = max(result.held, held(conversation))
        if isinstance(effect, Relay):
            result.end = "relay " + repr(b"".join([bytes(unread[CLIENT]), *pieces[CLIENT]]))
            return result
        try:
            answer = answered(effect, pieces, unread)
        except (Gone, LineTooLong) as news:
            raised = news
    raise AssertionError("no end")


def answered(effect: Effect, pieces: dict[Side, list[bytes]], unread: dict[Side, bytearray]) -> object:
    if isinstance(effect, Admit):
        return ROUTE
    if isinstance(effect, HangUp):
        unread[BACKEND].clear()
        pieces[BACKEND].clear()
    if not isinstance(effect, ReadLine | ReadExactly):
        return None
    buffer = unread[effect.of]
    while True:
        if isinstance(effect, ReadExactly):
            end = effect.count if len(buffer) >= effect.count else 0
        else:
            end = buffer.find(b"\n", 0, effect.limit) + 1
            if not end and len(buffer) >= effect.limit:
                raise LineTooLong(effect.of)
        if end:
            taken = bytes(buffer[:end])
            del buffer[:end]
            return taken
        if not pieces[effect.of]:
            raise Gone(effect.of, "closed")
        buffer += pieces[effect.of].pop(0)


def cut(octets: bytes, cuts: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for length in cuts:
        pieces.append(octets[at : at + length])
        at += length
    return [piece for piece in [*pieces, octets[at:]] if piece]


def shown(effect: Effect) -> tuple[object, ...]:
    values = [getattr(effect, name) for name in effect.__struct_fields__]
    return (type(effect).__name__, *(value.name if isinstance(effect, Admit) else value for value in values))


def held(part: object) -> int:
    """Octets in the local variables of a conversation and its parts."""
    total = 0
    while (frame := getattr(part, "gi_frame", None)) is not None:
        total += sum(size(value) for value in frame.f_locals.values())
        part = getattr(part, "gi_yieldfrom", None)
    return total


def size(value: object) -> int:
    if isinstance(value, bytes | bytearray | str):
        return len(value)
    if isinstance(value, Command):
        return sum(size(part) for part in astuple(value))
    return sum(size(item) for item in value) if isinstance(value, list | tuple) else 0


@given(ANYTHING, CUTS)
def test_a_client_may_say_anything(octets: bytes, cuts: list[int]) -> None:
    played = play(octets, READY, cuts)
    assert played == play(octets, READY, [])
    assert played.held <= RETAINED
    assert len([effect for effect in played.effects if effect[0] == "Admit"]) <= 20


@given(STORE_ANYTHING, CUTS)
def test_a_store_may_say_anything(octets: bytes, cuts: list[int]) -> None:
    client = b"a1 LOGIN maria pw\r\na2 LOGOUT\r\n"
    played = play(client, octets, cuts)
    assert played == play(client, octets, [])
    assert played.held <= 2 * RETAINED
    if played.end.startswith("relay"):
        assert b"P1 OK" in octets.upper()


@given(STORE_ANYTHING)
def test_a_store_that_greets_well_may_then_say_anything(octets: bytes) -> None:
    played = play(b"a1 LOGIN maria pw\r\n", READY + octets, [])
    told = b"".join(
        effect[2] for effect in played.effects if effect[:2] == ("Send", CLIENT) if isinstance(effect[2], bytes)
    )
    assert b"\0" not in told and b"\r" not in told.replace(b"\r\n", b"")


def test_the_helpers_see_what_they_should() -> None:
    played = play(b"a1 LOGIN maria pw\r\nrest", READY + b"P1 OK [CAPABILITY IMAP4rev1] in\r\n", [1, 2, 3])
    assert played.end == "relay b'rest'"
    assert [effect[0] for effect in played.effects].count("Send") == 3
    assert not [effect for effect in played.effects if effect[0] in (Secure.__name__, HangUp.__name__)]
    assert play(b"x" * 20000, b"", []).end == "Misspoken line too long"
