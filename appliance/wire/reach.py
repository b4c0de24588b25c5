"""Whether the back-end of a session can be reached and trusted: what the wire tells the conversation and admission.

Must never try again: that is the conversation's to decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.protocols.conversation import Dial
from appliance.terms import Refusal

if TYPE_CHECKING:
    from appliance.wire.session import Session


def unreachable(session: Session, why: str) -> None:
    """The dialled back-end is not there."""
    attempt = session.attempt
    assert attempt is not None and attempt.route is not None
    attempt.dialled()
    attempt.trouble = why
    session.shared.admission.missed(attempt.route.endpoint, attempt.peer, why)
    drop_backend(session)
    session.advance(Refusal.BACKEND_DOWN)


def in_dial(session: Session) -> bool:
    """Whether the back-end is connected and shakes hands, as part of being dialled."""
    return type(session.effect) is Dial


def untrusted(session: Session, why: str) -> None:
    """The back-end is not who it should be: no passing trouble."""
    assert session.attempt is not None
    session.attempt.trouble = why
    if in_dial(session):
        session.attempt.dialled()
    drop_backend(session)
    session.advance(Refusal.MISCONFIGURED)


def drop_backend(session: Session) -> None:
    """Close the back-end's side."""
    leg, session.backend = session.backend, None
    if leg is not None:
        leg.session = None
        session.shared.loop.discard(leg.fd)


def stop_dialling(session: Session) -> None:
    """Give up connecting."""
    dialling, session.dialling = session.dialling, None
    if dialling is not None:
        dialling.cancel()
