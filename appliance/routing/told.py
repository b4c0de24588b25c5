"""What a client hears of a refusal, in its protocol's code (RFC 5530 for IMAP): for explanations, not for clients.

Data only. The words themselves belong to the protocols; a test holds this table to theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from appliance.terms import Refusal, Service

_IMAP: Final[Mapping[Refusal, str]] = {
    Refusal.BAD_CREDENTIALS: "AUTHENTICATIONFAILED",
    Refusal.NOT_PERMITTED: "AUTHORIZATIONFAILED",
    Refusal.EXPIRED: "EXPIRED",
    Refusal.TLS_REQUIRED: "PRIVACYREQUIRED",
    Refusal.BACKEND_DOWN: "UNAVAILABLE",
    Refusal.BACKEND_REFUSED: "UNAVAILABLE",
    Refusal.MISCONFIGURED: "SERVERBUG",
    Refusal.LIMIT: "LIMIT",
    Refusal.TRY_LATER: "UNAVAILABLE",
    Refusal.LOOP: "SERVERBUG",
}


def told(service: Service, refusal: Refusal | None) -> str:
    """The answer to a log-in: "OK", "NO [AUTHENTICATIONFAILED]". Unknown, disabled and banned sound like wrong."""
    if refusal is None:
        return "OK"
    return f"NO [{_IMAP[refusal.told]}]" if service is Service.IMAP else f"NO ({refusal.told})"
