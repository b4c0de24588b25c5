"""Runs one conversation over a client and a back-end, up to the hand-over to the relay.

The effect that the conversation waits on is the session's state. Must never speak a protocol, decide who is let in,
keep credentials beyond an attempt, or wait without a deadline. Admission, dialling and TLS: steps.py.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from appliance.protocols.conversation import (
    CLIENT,
    Admit,
    Conversation,
    Door,
    Effect,
    Gone,
    LineTooLong,
    Misspoken,
    ReadExactly,
    ReadLine,
    Secure,
    Send,
    Side,
)
from appliance.terms import Limits, Peer
from appliance.wire import effects, steps
from appliance.wire.attempt import Attempt
from appliance.wire.dial import Dialling
from appliance.wire.effects import PENDING
from appliance.wire.leg import AHEAD, Leg
from appliance.wire.listener import Policy
from appliance.wire.loop import ERR, HUP, IN, OUT, READING
from appliance.wire.ports import Verdict
from appliance.wire.preauth import origin
from appliance.wire.reach import drop_backend, in_dial, stop_dialling, unreachable
from appliance.wire.shared import Shared
from appliance.wire.sockets import end_sending

log = logging.getLogger(__name__)

LINGER: Final = 2.0  # seconds that a client has for reading our last words
AGAIN: Final = object()  # no answer: look again
_FACTS: Final = (Gone, LineTooLong, Misspoken)


class Leaving(Effect):
    """The conversation is over; the client may still read our last words."""


IN_TLS: Final = Secure(CLIENT)
LEAVING: Final = Leaving()


class Session:
    """A client that has not logged in yet."""

    __slots__ = (
        "allowance",
        "attempt",
        "backend",
        "client",
        "conversation",
        "deadline",
        "dialling",
        "door",
        "effect",
        "expires",
        "origin",
        "policy",
        "shared",
    )

    def __init__(
        self, shared: Shared, limits: Limits, policy: Policy, session: str, fd: int, ip: str, port: int
    ) -> None:
        loop, clear = shared.loop, policy.may_log_in_clear(ip)
        self.shared = shared
        self.policy = policy
        self.door = Door(shared.hostname, False, policy.starttls, clear, ip, port, session, limits, policy.promised)
        self.origin = ip if ":" not in ip else origin(ip)
        self.client = Leg(self, CLIENT, loop, fd)
        self.backend: Leg | None = None
        self.conversation: Conversation | None = None
        self.attempt: Attempt | None = None
        self.dialling: Dialling | None = None
        self.effect: Effect = IN_TLS
        self.expires = loop.now + limits.preauth_seconds
        self.deadline = loop.now + limits.preauth_read_seconds
        self.allowance = limits.preauth_bytes

    def begin(self, early: bytes = b"") -> None:
        """The client is connected; `early` came from it already, behind a PROXY header."""
        client = self.client
        client.inbox = early
        if self.policy.tls:
            client.loop.watch(client.fd, READING, client.ready_in_tls)
            if early:
                client.ready_in_tls(IN)
        else:
            client.loop.watch(client.fd, READING, client.ready)
            self.converse()

    def converse(self) -> None:
        """Open the conversation."""
        self.conversation = self.shared.protocols[self.policy.service](self.door)
        self.advance(None)

    def peer(self) -> Peer:
        """The client, as admission knows it."""
        door = self.door
        return Peer(self.policy.service, door.client_ip, door.client_port, door.secured or door.may_log_in_clear)

    # --- the conversation ---

    def advance(self, answer: Any, fact: Exception | None = None) -> None:
        """Answer the conversation and go on until it waits. AGAIN: what it waits for may be there now.

        With `fact`, that is raised in it instead.
        """
        conversation = self.conversation
        assert conversation is not None
        try:
            if fact is not None:
                effect = conversation.throw(fact)
            elif answer is AGAIN:
                effect = self.effect
            else:
                effect = conversation.send(answer)
            while True:
                self.effect = effect
                try:
                    answer = _HOW[type(effect)](self, effect)
                except _FACTS as raised:
                    effect = conversation.throw(raised)
                else:
                    if answer is PENDING:
                        return
                    effect = conversation.send(answer)
        except (StopIteration, Gone, LineTooLong):
            self.leave()
        except Misspoken as misspoken:
            self.client.queue(misspoken.farewell)
            self.leave()
        except Exception:  # a bug, of a conversation or of ours: one line in the log, one session lost
            log.exception("session %s ends by a fault of ours", self.door.session)
            self.close()

    def admitted(self, verdict: Verdict) -> None:
        """The verdict took time; it may come too late."""
        if type(self.effect) is Admit and self.attempt is not None:
            self.advance(steps.admitted(self, self.attempt, verdict))

    def raise_in(self, fact: Exception) -> None:
        """Tell the conversation a fact, wherever it is."""
        if self.conversation is None:
            self.leave()
        else:
            stop_dialling(self)
            self.advance(None, fact)

    def wait_for(self, leg: Leg) -> object:
        """Let the leg be read until it has more; raises Gone if it never will."""
        client, backend, loop = self.client, self.backend, self.shared.loop
        if client.outbox:
            loop.outgoing.append(client.flush)
        if backend is not None and backend.outbox:
            loop.outgoing.append(backend.flush)
        if leg.ended or leg.broken:
            raise Gone(leg.side, "the connection was closed")
        if leg is not client:
            self.deadline = self.attempt.login_by if self.attempt is not None else self.expires
        else:
            soon = loop.now + self.door.limits.preauth_read_seconds
            self.deadline = soon if soon < self.expires else self.expires
        if not leg.mask & READING:
            leg.interest(reading=True)
        return PENDING

    def tick(self, now: float) -> None:
        """Once a second: is it time?"""
        deadline = self.deadline if self.dialling is None else self.dialling.deadline
        if 0 < deadline <= now:
            self._overdue()

    def _overdue(self) -> None:
        effect = self.effect
        if self.dialling is not None:
            self.dialling.overdue()
        elif effect is LEAVING or self.conversation is None:
            self.close()
        elif in_dial(self):
            unreachable(self, "no TLS in time")
        else:
            side: Side = getattr(effect, "of", getattr(effect, "side", CLIENT))
            self.raise_in(Gone(side, "silent for too long", silent=True))

    # --- readiness ---

    def arrived(self, leg: Leg) -> None:
        """Something is in the leg's inbox, or it has ended."""
        effect = self.effect
        if (type(effect) is ReadLine or type(effect) is ReadExactly) and effect.of is leg.side:
            self.advance(AGAIN)
        elif effect is LEAVING:
            leg.inbox = b""
            if leg.ended:
                self.close()
        elif leg.broken and leg is self.client:
            self.raise_in(Gone(CLIENT, "the connection was closed"))
        elif len(leg.inbox) >= AHEAD:
            leg.interest(reading=False)

    def unusual(self, leg: Leg, events: int) -> bool:
        """Room to write, an end, an error. True: that was all."""
        if events & OUT:
            leg.flush()
        if self.effect is LEAVING:
            self._let_go(leg, events)
            return True
        if events & (HUP | ERR):
            leg.broken = True
        return events == OUT

    def _let_go(self, client: Leg, events: int) -> None:
        """What a client still says once the conversation is over is read and dropped."""
        if not client.outbox and events & OUT:
            end_sending(client.fd)
        if events != OUT:
            client.take()
            if client.ended:
                self.close()

    # --- the end ---

    def leave(self) -> None:
        """The conversation is over: let the client read what was said, then close."""
        stop_dialling(self)
        drop_backend(self)
        self.conversation = self.attempt = None
        client = self.client
        if client.tls is not None and client.tls.done and not client.broken:
            client.outbox += client.tls.farewell()
        client.flush()
        if client.broken or (client.ended and not client.outbox):
            self.close()
            return
        self.effect = LEAVING
        self.deadline = self.shared.loop.now + LINGER
        if client.tls is None or not client.tls.done:
            client.loop.handlers[client.fd] = client.ready  # a handshake goes no further
        client.interest(reading=True)
        if not client.outbox:
            end_sending(client.fd)

    def evict(self, limit: str = "") -> None:
        """Say farewell and close at once. `limit`: which it had to give way to."""
        if limit and self.effect is not LEAVING:
            self.shared.totals[f"turned_away/{self.policy.service}/{limit}"] += 1
        self.client.inbox = b""
        if self.conversation is not None and self.effect is not LEAVING:
            self.client.queue(self.shared.farewells.get(self.policy.service, b""))
            self.client.flush()
        self.close()

    def close(self) -> None:
        """End it, now."""
        stop_dialling(self)
        drop_backend(self)
        self.shared.room.leave(self)
        if self.client.fd >= 0:
            self.shared.loop.discard(self.client.fd)
            self.client.fd, self.client.session = -1, None
        self.effect = LEAVING  # answers that come later find nobody
        conversation, self.conversation, self.attempt = self.conversation, None, None
        if conversation is not None:
            conversation.close()


_HOW: Final[dict[type[Effect], Any]] = {
    Send: effects.send,
    ReadLine: effects.read_line,
    ReadExactly: effects.read_exactly,
    **steps.HOW,
}
