"""The effects that concern octets only: sending, and reading what has come.

Each function carries out one effect for a session and returns its answer, or PENDING. Must never block, and never
let a client spend more octets before log-in than it is allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.protocols.conversation import CLIENT, Gone, LineTooLong, ReadExactly, ReadLine, Send

if TYPE_CHECKING:
    from appliance.wire.session import Session

PENDING: Final = object()  # the answer comes later


def send(session: Session, effect: Send) -> None:
    """Queue octets for a side."""
    leg = session.client if effect.to is CLIENT else session.backend
    if leg is None:
        raise Gone(effect.to, "the connection was closed")
    if leg.tls is None and not leg.broken:
        leg.outbox += effect.data
    else:
        leg.queue(effect.data)


def read_line(session: Session, effect: ReadLine) -> bytes | object:
    """A line if there is one, else PENDING."""
    leg = session.client if effect.of is CLIENT else session.backend
    if leg is None:
        raise Gone(effect.of, "the connection was closed")
    inbox = leg.inbox
    if not inbox:
        return session.wait_for(leg)
    end = inbox.find(b"\n", 0, effect.limit) + 1
    if not end:
        if len(inbox) >= effect.limit:
            raise LineTooLong(effect.of)
        return session.wait_for(leg)
    if leg is session.client:
        _spend(session, end)
    if end == len(inbox):
        leg.inbox = b""
        return inbox
    leg.inbox = inbox[end:]
    return inbox[:end]


def read_exactly(session: Session, effect: ReadExactly) -> bytes | object:
    """So many octets if they are there, else PENDING."""
    leg, count = session.client if effect.of is CLIENT else session.backend, effect.count
    if leg is None:
        raise Gone(effect.of, "the connection was closed")
    if len(leg.inbox) < count:
        return session.wait_for(leg)
    if leg is session.client:
        _spend(session, count)
    data, leg.inbox = leg.inbox[:count], leg.inbox[count:]
    return data


def _spend(session: Session, octets: int) -> None:
    session.allowance -= octets
    if session.allowance < 0:
        raise Gone(CLIENT, "too many octets before log-in")
