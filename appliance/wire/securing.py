"""How a session turns TLS on: with the client as its server, with the back-end as its client, verified as it says.

Must never take octets that came in the clear for ones that came by TLS (CVE-2011-0411), nor go on with a client
that offers only other protocols (RFC 7301 3.2).
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from appliance.edge.clienthello import NO_APPLICATION_PROTOCOL, protocols_offered
from appliance.edge.tls import ALPN
from appliance.protocols.conversation import BACKEND, CLIENT, Gone, Misspoken, Secure
from appliance.wire.dial import pin_holds
from appliance.wire.effects import PENDING
from appliance.wire.reach import in_dial, unreachable, untrusted
from appliance.wire.tlspipe import TlsPipe

if TYPE_CHECKING:
    from appliance.wire.leg import Leg
    from appliance.wire.session import Session


def secure(session: Session, effect: Secure) -> object:
    leg = session.client if effect.side is CLIENT else session.backend
    if leg is None:
        raise Gone(effect.side, "the connection was closed")
    if leg.inbox:
        raise Misspoken(effect.side, "octets in the clear before TLS")
    session.wait_for(leg)
    leg.loop.handlers[leg.fd] = leg.ready_in_tls
    if effect.side is BACKEND:
        begin_tls(session, leg)
    return PENDING


def begin_tls(session: Session, leg: Leg) -> None:
    assert session.attempt is not None and session.attempt.route is not None
    try:
        leg.tls = session.shared.contexts.pipe(session.attempt.route.endpoint)
    except (ssl.SSLError, ValueError) as error:
        untrusted(session, f"its CA cannot be used: {error}")
        return
    _shake(session, leg, b"")


def decrypt(session: Session, leg: Leg, data: bytes) -> bool:
    """Take `data` of a leg in TLS. False: the handshake goes on, or the session took another turn by it."""
    tls = leg.tls
    if tls is None:
        _hello(session, leg, data)
        return False
    if not tls.done:
        _shake(session, leg, data)
        return False
    if data:
        try:
            leg.inbox += tls.opened(data)
        except ssl.SSLError:
            leg.broken = True
        if tls.ended or leg.broken:
            leg.end()
        if tls.owed:
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
        _shake(session, leg, hello)


def _shake(session: Session, leg: Leg, data: bytes) -> None:
    assert leg.tls is not None
    if leg.ended:
        _shake_failed(session, leg, "the connection was closed in the TLS handshake")
        return
    try:
        done = leg.tls.shake(data)
    except ssl.SSLCertVerificationError as error:
        leg.flush()
        untrusted(session, f"its certificate is not trusted: {error.verify_message}")
    except (ssl.SSLError, ValueError) as error:
        leg.flush()
        _shake_failed(session, leg, f"TLS failed: {getattr(error, 'reason', None) or error}", engine=True)
    else:
        if done:
            _secured(session, leg)
        else:
            leg.loop.outgoing.append(leg.flush)


def _shake_failed(session: Session, leg: Leg, why: str, engine: bool = False) -> None:
    if leg.side is CLIENT:
        _no_tls(session, why)
    elif engine:
        untrusted(session, why)
    elif in_dial(session):
        unreachable(session, why)
    else:
        session.raise_in(Gone(BACKEND, why))


def _no_tls(session: Session, why: str) -> None:
    session.shared.totals[f"tls_failures/{session.policy.service}"] += 1
    client = session.client
    client.tls = None  # what is still to be sent is an alert, as it is
    client.loop.handlers[client.fd] = client.ready
    client.broken = client.broken or client.ended
    session.raise_in(Gone(CLIENT, why))


def _secured(session: Session, leg: Leg) -> None:
    assert leg.tls is not None
    leg.inbox, leg.tls.early = leg.tls.early, b""
    if leg.tls.ended:
        leg.end()
    leg.loop.outgoing.append(leg.flush)  # the end of the handshake may be ours, and the conversation say nothing
    if leg.side is CLIENT:
        session.door.secured = True
        if session.conversation is None:
            session.converse()
        else:
            session.advance(None)
        return
    attempt = session.attempt
    assert attempt is not None and attempt.route is not None
    if not pin_holds(leg.tls, attempt.route.endpoint):
        untrusted(session, "its certificate is not the pinned one")
        return
    if in_dial(session):
        attempt.dialled()
    session.advance(None)
