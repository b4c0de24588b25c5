"""Plays a transcript without any socket: every effect is answered from the text, packet by packet or octet by octet.

Strict: whatever we say or do must stand in the transcript, in its place, and nothing may be left over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from types import GeneratorType

from appliance.protocols.conversation import (
    BACKEND,
    CLIENT,
    Admit,
    Conversation,
    Dial,
    Door,
    Effect,
    Gone,
    HangUp,
    LineTooLong,
    Misspoken,
    ReadExactly,
    ReadLine,
    Refuse,
    Relay,
    Secure,
    Send,
    Side,
    Wait,
)
from appliance.terms import Refusal
from tests.transcripts.format import Step, Transcript
from tests.transcripts.words import HOSTNAME
from tests.transcripts.world import World

WAITING = object()


def door(kind: str, world: World) -> Door:
    """A door of this kind."""
    return Door(
        HOSTNAME,
        secured=kind == "tls",
        starttls=kind != "tls",
        may_log_in_clear=kind == "open",
        client_ip="192.0.2.7",
        client_port=50007,
        session="s1",
        limits=world.limits,
        promised=world.promised,
    )


class Player:
    """One conversation and the world around it."""

    def __init__(self, transcript: Transcript, kind: str, open_: Callable[[Door], Conversation]) -> None:
        self.world = World.of(transcript)
        self.transcript = transcript
        self.kind = kind
        self.door = door(kind, self.world)
        self.conversation = open_(self.door)
        self.unread = {CLIENT: bytearray(), BACKEND: bytearray()}
        self.said: defaultdict[str, bytearray] = defaultdict(bytearray)  # to the client, and to each store
        self.done: list[str] = []
        self.gone: Gone | None = None
        self.store = ""
        self.lost = False  # it was hung up on, because it could not be trusted
        self.ended = ""
        self.pending: Effect | None = None
        self.left_behind = ""  # what the conversation still remembered when it became a relay

    def play(self, *, octet_by_octet: bool) -> None:
        """From the greeting to the end. Raises AssertionError where it goes another way."""
        self._go_on(None)
        for step in self.transcript.steps:
            place = f"{self.transcript.path}:{step.line}"
            try:
                self._step(step, octet_by_octet)
            except AssertionError as error:
                raise AssertionError(f"{place} ({self.kind}): {error}") from None
        self._nothing_left()
        assert self.ended, f"{self.transcript}: still waiting at the end: {self.pending}"

    def _step(self, step: Step, octet_by_octet: bool) -> None:
        side = CLIENT if step.who == "client" else BACKEND
        data = self.transcript.octets(step.text, self.kind) if step.kind in ("hear", "say", "relayed") else b""
        if step.kind == "hear":
            said = self.said[step.who]
            assert bytes(said[: len(data)]) == data, f"expected {data!r}, said {dict(self.said)}, did {self.done}"
            del said[: len(data)]
        elif step.kind == "do":
            assert self.done[:1] == [f"{step.who} {step.text}"], f"did {self.done}, said {self.said}"
            del self.done[0]
        elif step.kind == "say":
            self._nothing_left()
            for piece in [data[at : at + 1] for at in range(len(data))] if octet_by_octet else [data]:
                self.unread[side] += piece
                self._wake()
        elif step.kind in ("gone", "silent"):
            self.gone = Gone(side, "closed" if step.kind == "gone" else "silent", step.kind == "silent")
            self._wake()
        elif step.kind == "relayed":
            assert self.ended == "relay", f"not relayed: {self.ended or self.pending}, said {self.said}"
            left = bytes(self.unread[BACKEND if side is CLIENT else CLIENT])
            assert left == data, f"left for {step.who}: {left!r}"
        else:
            assert self.ended == "closed", f"not closed: {self.ended or self.pending}, said {self.said}"

    def _nothing_left(self) -> None:
        assert not any(self.said.values()), f"unexpected words: {dict(self.said)}"
        assert not self.done, f"unexpected deeds: {self.done}"

    def _wake(self) -> None:
        if self.pending is not None:
            effect, self.pending = self.pending, None
            self._go_on(effect)

    def _go_on(self, effect: Effect | None) -> None:
        """Answer this effect and those after it, until one has to wait."""
        while True:
            answer: object = None
            raised: BaseException | None = None
            try:
                answer = self._answer(effect)
            except (Gone, Misspoken, LineTooLong) as news:
                raised = news
            if answer is WAITING or self.ended:
                self.pending = effect
                return
            effect = self._next(answer, raised)
            if effect is None:
                return

    def _next(self, answer: object, raised: BaseException | None) -> Effect | None:
        try:
            return self.conversation.throw(raised) if raised else self.conversation.send(answer)
        except StopIteration:
            pass
        except Misspoken as misspoken:
            self.said["client"] += misspoken.farewell
        except Gone as gone:
            assert gone.side is CLIENT
        self.ended = "closed"
        return None

    def _answer(self, effect: Effect | None) -> object:
        if effect is None:
            return None
        if isinstance(effect, ReadLine | ReadExactly):
            return self._reading(effect)
        return self._doing(effect)

    def _reading(self, effect: ReadLine | ReadExactly) -> object:
        unread = self.unread[effect.of]
        assert effect.of is CLIENT or self.store, "reads from no store"
        assert effect.of is BACKEND or not self.store, "a store is left connected while the client is heard"
        if isinstance(effect, ReadExactly):
            return self._taken(unread, effect.count) if len(unread) >= effect.count else self._waiting(effect.of)
        end = unread.find(b"\n", 0, effect.limit)
        if end >= 0:
            return self._taken(unread, end + 1)
        if len(unread) >= effect.limit:
            raise LineTooLong(effect.of)
        return self._waiting(effect.of)

    @staticmethod
    def _taken(unread: bytearray, count: int) -> bytes:
        piece = bytes(unread[:count])
        del unread[:count]
        return piece

    def _waiting(self, side: Side) -> object:
        if self.gone and self.gone.side in (side, CLIENT):
            gone, self.gone = self.gone, None
            raise gone
        return WAITING

    def _doing(self, effect: Effect) -> object:
        match effect:
            case Send():
                if effect.to is BACKEND and self.lost:
                    raise Gone(BACKEND, "hung up on")
                assert effect.to is CLIENT or self.store, "speaks to no store"
                self.said[self.store if effect.to is BACKEND else "client"] += effect.data
            case Admit():
                return self.world.admit(effect.credentials)
            case Dial():
                assert not self.store, "dials while connected"
                refusal = self.world.dial(effect.route.endpoint.backend)
                self.store = "" if refusal else effect.route.endpoint.backend
                return refusal
            case HangUp():
                self.store, self.lost = "", False
                self.unread[BACKEND].clear()
            case Refuse():
                self.done.append(f"refused {effect.refusal}")
            case Wait():
                self.done.append(f"waits {effect.seconds}")
            case Secure():
                return self._secure(effect.side)
            case Relay():
                assert self.store, "a relay to no store"
                self.ended = "relay"
                self.left_behind = repr(_locals(self.conversation))
                self.conversation.close()
            case _:
                raise AssertionError(f"unknown effect {effect}")
        return None

    def _secure(self, side: Side) -> object:
        if self.unread[side]:
            raise Misspoken(side, "octets before TLS")
        self.done.append("tls " + (self.store if side is BACKEND else "client"))
        if side is BACKEND:
            self.lost = self.store in self.world.bad_certificate
            return Refusal.MISCONFIGURED if self.lost else None
        self.door.secured = True
        self.kind = "tls"
        return None


def _locals(conversation: Conversation) -> list[object]:
    """Every local variable of a conversation and of the parts it waits in."""
    found: list[object] = []
    part: object = conversation
    while isinstance(part, GeneratorType) and part.gi_frame is not None:
        for value in part.gi_frame.f_locals.values():
            slots = getattr(type(value), "__slots__", ())
            found.append([getattr(value, name, None) for name in slots] if slots else value)
        part = part.gi_yieldfrom
    return found
