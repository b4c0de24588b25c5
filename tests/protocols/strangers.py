"""A conversation whose peers say anything, in any pieces, and then leave: what came of it, what was held meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import astuple

from appliance.protocols.conversation import (
    BACKEND,
    CLIENT,
    Admit,
    Conversation,
    Door,
    Effect,
    Gone,
    HangUp,
    LineTooLong,
    Misspoken,
    ReadExactly,
    ReadLine,
    Relay,
    Side,
)
from appliance.terms import Endpoint, Route, Secret

ROUTE = Route(Endpoint("beta", "192.0.2.1", 143), "maria", "maria", "maria", Secret(b"pw"), "map people")
RETAINED = 64 * 1024  # octets a conversation may hold of one command, however it is sent
CUTS = st.lists(st.integers(1, 4000), max_size=8)


@dataclass
class Play:
    """What came of it."""

    effects: list[tuple[object, ...]] = field(default_factory=list)
    end: str = ""
    held: int = 0


def door() -> Door:
    """A door in TLS."""
    return Door(
        "host", secured=True, starttls=False, may_log_in_clear=False, client_ip="::1", client_port=1, session="s"
    )


def play(speaks: Callable[[Door], Conversation], client: bytes, store: bytes, cuts: list[int]) -> Play:
    """Run a conversation whose peers say these octets in these pieces and then leave."""
    pieces = {CLIENT: cut(client, cuts), BACKEND: cut(store, cuts)}
    unread = {CLIENT: bytearray(), BACKEND: bytearray()}
    conversation, result = speaks(door()), Play()
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
    if isinstance(value, Struct):
        return sum(size(part) for part in astuple(value))
    return sum(size(item) for item in value) if isinstance(value, list | tuple) else 0
