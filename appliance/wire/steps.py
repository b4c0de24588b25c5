"""How a session admits, dials, turns TLS on, waits, refuses and hands over: the effects that concern more than octets.

Each function carries out one effect for a session and returns its answer, or PENDING. Must never try anything
again: that is the conversation's to decide.
"""

from __future__ import annotations

import ssl
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from appliance.edge.clienthello import NO_APPLICATION_PROTOCOL, protocols_offered
from appliance.edge.tls import ALPN
from appliance.protocols.conversation import (
    BACKEND,
    CLIENT,
    Admit,
    Dial,
    Effect,
    Gone,
    HangUp,
    Misspoken,
    Refuse,
    Relay,
    Secure,
    Side,
    Wait,
)
from appliance.terms import Refusal, TlsMode
from appliance.wire import relay
from appliance.wire.attempt import Attempt
from appliance.wire.dial import Dialling, Failed, pin_holds, proxy_header
from appliance.wire.leg import Leg
from appliance.wire.sockets import own_address
from appliance.wire.tlspipe import TlsPipe

if TYPE_CHECKING:
    from appliance.wire.ports import Verdict
    from appliance.wire.session import Session

PENDING: Final = object()  # the answer comes later
NEVER: Final = float("inf")


def _flush(session: Session) -> None:
    if session.client.outbox:
        session.client.flush()


# --- who and where to ---


def _admit(session: Session, effect: Admit) -> Verdict | object:
    attempt = session.attempt
    if attempt is None:
        attempt = session.attempt = Attempt(session.peer, effect.credentials)
    session.deadline = NEVER
    answer = partial(_admitted, session, effect, attempt)
    verdict = session.shared.admission.admit(attempt.peer, effect.credentials, answer)
    if verdict is None:
        _flush(session)
        return PENDING
    attempt.admitted(verdict)
    return verdict


def _admitted(session: Session, effect: Admit, attempt: Attempt, verdict: Verdict) -> None:
    if session.effect is effect:
        attempt.admitted(verdict)
        session.advance(verdict)


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
    attempt, session.attempt = session.attempt or Attempt(session.peer, None), None
    shared.record(attempt.outcome(session.id, shared.epoch, effect.refusal, effect.why))
    hold = shared.admission.refused(attempt.peer, attempt.credentials, effect.refusal, attempt.elapsed)
    if hold <= 0:
        return None
    _flush(session)
    session.deadline = NEVER
    shared.loop.after(hold, partial(_waited, session, effect))
    return PENDING


# --- the back-end ---


def _dial(session: Session, effect: Dial) -> Refusal | object:
    attempt, shared, limits = session.attempt, session.shared, session.limits
    assert attempt is not None
    now = shared.loop.now
    attempt.route = effect.route
    if not attempt.login_by:
        attempt.login_by = now + limits.login_seconds
    else:
        shared.totals[f"retries/{session.policy.service}"] += 1
        if now >= attempt.login_by:
            return Refusal.TRY_LATER
    _flush(session)
    endpoint = effect.route.endpoint
    header = _header(session) if endpoint.client_address == "proxy-v2" else b""
    session.dialling = Dialling(
        shared.loop,
        partial(_dialled, session),
        header=header,
        patient=not header and endpoint.tls is not TlsMode.IMPLICIT,
        seconds=min(limits.connect_seconds, attempt.login_by - now),
    )
    session.dialling.begin(shared.resolver, endpoint.host, endpoint.port)
    return PENDING


def _header(session: Session) -> bytes:
    return proxy_header((session.door.client_ip, session.door.client_port), own_address(session.client.fd))


def _dialled(session: Session, result: int | Failed) -> None:
    attempt, dialling, session.dialling = session.attempt, session.dialling, None
    assert attempt is not None and dialling is not None and attempt.route is not None
    if isinstance(result, Failed):
        if result.ours:
            attempt.dialled()
            attempt.trouble = result.why
            session.advance(Refusal.TRY_LATER)
        else:
            unreachable(session, result.why)
        return
    leg = session.backend = Leg(session, BACKEND, session.shared.loop, result)
    session.shared.loop.handlers[result] = leg.ready
    if attempt.route.endpoint.tls is TlsMode.IMPLICIT:
        session.deadline = dialling.deadline
        _begin_tls(session, leg)
        return
    leg.inbox = leg.take()
    leg.heard = leg.inbox != b""
    attempt.dialled()
    session.advance(None)


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


# --- TLS ---


def _secure(session: Session, effect: Secure) -> object:
    leg = session.client if effect.side is CLIENT else session.backend
    if leg is None:
        raise Gone(effect.side, "the connection was closed")
    if leg.inbox:
        raise Misspoken(effect.side, "octets in the clear before TLS")
    session.wait_for(leg)
    if effect.side is BACKEND:
        _begin_tls(session, leg)
    return PENDING


def _begin_tls(session: Session, leg: Leg) -> None:
    assert session.attempt is not None and session.attempt.route is not None
    try:
        leg.tls = session.shared.contexts.pipe(session.attempt.route.endpoint)
    except (ssl.SSLError, ValueError) as error:
        _untrusted(session, f"its CA cannot be used: {error}")
        return
    _shake(session, leg, BACKEND, b"")


def decrypt(session: Session, leg: Leg, side: Side, data: bytes) -> bool:
    """Take `data` of a leg in TLS. False: the handshake goes on, or the session took another turn by it."""
    if leg.tls is None:
        _hello(session, leg, data)
        return False
    if not leg.tls.done:
        _shake(session, leg, side, data)
        return False
    if data:
        try:
            leg.inbox += leg.tls.opened(data)
        except ssl.SSLError:
            leg.broken = True
        if leg.tls.ended or leg.broken:
            leg.end()
        if leg.tls.owed:
            leg.flush()
    return True


def _hello(session: Session, leg: Leg, data: bytes) -> None:
    """The client's first octets: look at the protocols it offers before TLS begins."""
    hello = leg.inbox + data
    service = session.policy.service
    try:
        offered = protocols_offered(hello)
    except ValueError:
        offered = ()
    if offered is None and not leg.ended:
        leg.inbox = hello
        return
    leg.inbox = b""
    context = session.shared.certificates.server(service)
    if offered and ALPN[service].encode() not in offered:
        leg.outbox += NO_APPLICATION_PROTOCOL
        _no_tls(session, "it speaks another protocol")
    elif context is None or leg.ended:
        _no_tls(session, "no certificate" if context is None else "the connection was closed")
    else:
        leg.tls = TlsPipe(context, server=True)
        _shake(session, leg, CLIENT, hello)


def _shake(session: Session, leg: Leg, side: Side, data: bytes) -> None:
    assert leg.tls is not None
    if leg.ended:
        _shake_failed(session, leg, side, "the connection was closed in the TLS handshake")
        return
    try:
        done = leg.tls.shake(data)
    except ssl.SSLCertVerificationError as error:
        leg.flush()
        _untrusted(session, f"its certificate is not trusted: {error.verify_message}")
    except (ssl.SSLError, ValueError) as error:
        leg.flush()
        _shake_failed(session, leg, side, f"TLS failed: {getattr(error, 'reason', None) or error}", engine=True)
    else:
        if done:
            _secured(session, leg, side)
        else:
            leg.flush()


def _shake_failed(session: Session, leg: Leg, side: Side, why: str, engine: bool = False) -> None:
    if side is CLIENT:
        _no_tls(session, why)
    elif engine:
        _untrusted(session, why)
    elif in_dial(session):
        unreachable(session, why)
    else:
        session.raise_in(Gone(BACKEND, why))


def _no_tls(session: Session, why: str) -> None:
    session.shared.totals[f"tls_failures/{session.policy.service}"] += 1
    session.client.tls = None  # what is still to be sent is an alert, as it is
    session.client.broken = session.client.broken or session.client.ended
    session.raise_in(Gone(CLIENT, why))


def _untrusted(session: Session, why: str) -> None:
    """The back-end is not who it should be: no passing trouble."""
    assert session.attempt is not None
    session.attempt.trouble = why
    if in_dial(session):
        session.attempt.dialled()
    drop_backend(session)
    session.advance(Refusal.MISCONFIGURED)


def _secured(session: Session, leg: Leg, side: Side) -> None:
    assert leg.tls is not None
    leg.inbox, leg.tls.early = leg.tls.early, b""
    if leg.tls.ended:
        leg.end()
    if side is CLIENT:
        session.door.secured = True
        if session.conversation is None:
            session.converse()
        else:
            session.advance(None)
        return
    leg.flush()
    attempt = session.attempt
    assert attempt is not None and attempt.route is not None
    if not pin_holds(leg.tls, attempt.route.endpoint):
        _untrusted(session, "its certificate is not the pinned one")
        return
    if in_dial(session):
        attempt.dialled()
    session.advance(None)


# --- the hand-over ---


def _relay(session: Session, effect: Relay) -> object:
    shared, attempt, backend = session.shared, session.attempt, session.backend
    assert attempt is not None and attempt.route is not None and backend is not None
    shared.room.leave(session)
    shared.admission.reached(attempt.route.endpoint, attempt.peer)
    shared.admission.welcomed(attempt.peer, attempt.route)
    outcome = attempt.outcome(session.id, shared.epoch)
    shared.record(outcome)
    client, conversation = session.client, session.conversation
    session.attempt = session.backend = session.conversation = client.session = backend.session = None
    relay.begin(shared, outcome, effect.farewell, client, backend)
    assert conversation is not None
    conversation.close()
    return PENDING


HOW: Final[dict[type[Effect], Any]] = {
    Admit: _admit,
    Wait: _wait,
    Refuse: _refuse,
    Dial: _dial,
    HangUp: _hang_up,
    Secure: _secure,
    Relay: _relay,
}
