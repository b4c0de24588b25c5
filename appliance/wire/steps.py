"""How a session admits, dials, waits, refuses and hands over: the effects that concern more than octets.

Each function carries out one effect for a session and returns its answer, or PENDING. Must never try anything
again: that is the conversation's to decide.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from appliance.edge.proxyheader import compose
from appliance.protocols.conversation import (
    BACKEND,
    Admit,
    Dial,
    Effect,
    HangUp,
    Refuse,
    Relay,
    Secure,
    Wait,
)
from appliance.terms import Refusal, Route, TlsMode
from appliance.wire import relay
from appliance.wire.attempt import Attempt
from appliance.wire.dial import Dialling, Failed
from appliance.wire.effects import PENDING
from appliance.wire.leg import Leg
from appliance.wire.reach import drop_backend, unreachable
from appliance.wire.securing import begin_tls, secure
from appliance.wire.sockets import own_address

if TYPE_CHECKING:
    from appliance.wire.ports import Verdict
    from appliance.wire.session import Session

NEVER: Final = float("inf")
IMPLICIT: Final = TlsMode.IMPLICIT


def _flush(session: Session) -> None:
    if session.client.outbox:
        session.client.flush()


# --- who and where to ---


def _admit(session: Session, effect: Admit) -> Verdict | object:
    attempt = session.attempt
    if attempt is None:
        attempt = session.attempt = Attempt(session.peer(), effect.credentials)
    session.deadline = NEVER
    verdict = session.shared.admission.admit(attempt.peer, effect.credentials, session.admitted)
    if verdict is None:
        _flush(session)
        return PENDING
    return admitted(session, attempt, verdict)


def admitted(session: Session, attempt: Attempt, verdict: Verdict) -> Verdict:
    """The verdict came; a route knows whether there is room for one more session of its mailbox and address."""
    attempt.admitted(verdict)
    if isinstance(verdict, Route):
        limits = session.shared.admission.limits
        limit = session.shared.crowds.reached(limits, session.origin, verdict.address)
        if limit:
            return structs.replace(verdict, full=f"{limit} is {getattr(limits, limit)}")
    return verdict


def _wait(session: Session, effect: Wait) -> object:
    _flush(session)
    session.deadline = NEVER
    session.shared.loop.after(effect.seconds, partial(_waited, session, effect))
    return PENDING


def _waited(session: Session, effect: Effect) -> None:
    if session.effect is effect:
        if session.attempt is not None:
            session.attempt.paused()
        session.advance(None)


def _refuse(session: Session, effect: Refuse) -> object:
    shared = session.shared
    attempt, session.attempt = session.attempt or Attempt(session.peer(), None), None
    shared.record(attempt.outcome(session.door.session, shared.epoch, effect.refusal, effect.why))
    if effect.refusal is Refusal.LIMIT and attempt.route is not None and attempt.route.full:
        shared.totals[f"turned_away/{session.policy.service}/{attempt.route.full.partition(' ')[0]}"] += 1
    hold = shared.admission.refused(attempt.peer, attempt.credentials, effect.refusal, attempt.elapsed)
    if hold <= 0:
        return None
    _flush(session)
    session.deadline = NEVER
    shared.loop.after(hold, partial(_waited, session, effect))
    return PENDING


# --- the back-end ---


def _dial(session: Session, effect: Dial) -> Refusal | object:
    attempt, shared, limits = session.attempt, session.shared, session.door.limits
    assert attempt is not None
    loop, route = shared.loop, effect.route
    until = loop.now + limits.connect_seconds
    attempt.route = route
    if not attempt.login_by:
        attempt.login_by = loop.now + limits.login_seconds
    else:
        shared.totals[f"retries/{session.policy.service}"] += 1
        if loop.now >= attempt.login_by:
            return Refusal.TRY_LATER
    if until > attempt.login_by:
        until = attempt.login_by
    if session.client.outbox:
        session.client.flush()
    endpoint = route.endpoint
    header = _header(session) if endpoint.client_address == "proxy-v2" else b""
    patient = not header and endpoint.tls is not IMPLICIT
    session.dialling = Dialling(session, loop, header, patient, until, _dialled)
    session.dialling.begin(shared.resolver, endpoint.host, endpoint.port)
    return PENDING


def _header(session: Session) -> bytes:
    door = session.door
    return compose((door.client_ip, door.client_port), own_address(session.client.fd), door.session, door.ttl - 1)


def _dialled(session: Session, result: int | Failed) -> None:
    attempt, dialling, session.dialling = session.attempt, session.dialling, None
    assert attempt is not None and dialling is not None and attempt.route is not None
    if isinstance(result, Failed):
        _not_dialled(session, attempt, result)
        return
    leg = session.backend = Leg(session, BACKEND, session.shared.loop, result)
    handlers = leg.loop.handlers
    if attempt.route.endpoint.tls is IMPLICIT:
        handlers[result] = leg.ready_in_tls
        session.deadline = dialling.deadline
        begin_tls(session, leg)
        return
    handlers[result] = leg.ready
    leg.inbox = leg.take()
    leg.heard = leg.inbox != b""
    attempt.dialled()
    session.advance(None)


def _not_dialled(session: Session, attempt: Attempt, failed: Failed) -> None:
    if failed.refusal is Refusal.BACKEND_DOWN:
        unreachable(session, failed.why)
    else:
        attempt.dialled()
        attempt.trouble = failed.why
        session.advance(failed.refusal)


def _hang_up(session: Session, effect: HangUp) -> None:
    attempt = session.attempt
    if session.backend is not None and attempt is not None and attempt.route is not None:
        admission, endpoint = session.shared.admission, attempt.route.endpoint
        if effect.why:
            admission.missed(endpoint, attempt.peer, effect.why)
        else:
            admission.reached(endpoint, attempt.peer)
        session.backend.flush()
    drop_backend(session)


# --- the hand-over ---


def _relay(session: Session, effect: Relay) -> object:
    shared, attempt, backend = session.shared, session.attempt, session.backend
    assert attempt is not None and attempt.route is not None and backend is not None
    shared.room.leave(session)
    shared.admission.reached(attempt.route.endpoint, attempt.peer)
    outcome = attempt.outcome(session.door.session, shared.epoch)
    shared.admission.welcomed(attempt.peer, attempt.route, outcome.ms[-1] / 1000)
    shared.record(outcome)
    client, conversation = session.client, session.conversation
    session.attempt = session.backend = session.conversation = client.session = backend.session = None
    relay.begin(shared, outcome, session.origin, effect.farewell, client, backend)
    assert conversation is not None
    next(conversation, None)  # it returns; to close it would raise in it, which costs more
    return PENDING


HOW: Final[dict[type[Effect], Any]] = {
    Admit: _admit,
    Wait: _wait,
    Refuse: _refuse,
    Dial: _dial,
    HangUp: _hang_up,
    Secure: secure,
    Relay: _relay,
}
