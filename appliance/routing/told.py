"""What a client hears of a refusal, in its protocol's code (RFC 5530, 2449, 5804): for explanations, not for clients.

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


_POP3: Final[Mapping[Refusal, str]] = {
    Refusal.BAD_CREDENTIALS: "AUTH",
    Refusal.NOT_PERMITTED: "AUTH",
    Refusal.EXPIRED: "AUTH",
    Refusal.TLS_REQUIRED: "",
    Refusal.BACKEND_DOWN: "SYS/TEMP",
    Refusal.BACKEND_REFUSED: "SYS/TEMP",
    Refusal.MISCONFIGURED: "SYS/PERM",
    Refusal.LIMIT: "IN-USE",
    Refusal.TRY_LATER: "SYS/TEMP",
    Refusal.LOOP: "SYS/PERM",
}

_SIEVE: Final[Mapping[Refusal, str]] = {
    Refusal.BAD_CREDENTIALS: "",
    Refusal.NOT_PERMITTED: "",
    Refusal.EXPIRED: "",
    Refusal.TLS_REQUIRED: "ENCRYPT-NEEDED",
    Refusal.BACKEND_DOWN: "TRYLATER",
    Refusal.BACKEND_REFUSED: "TRYLATER",
    Refusal.MISCONFIGURED: "",
    Refusal.LIMIT: "TRYLATER",
    Refusal.TRY_LATER: "TRYLATER",
    Refusal.LOOP: "",
}

_SAYS: Final = {  # yes, no, how a code is dressed, the codes
    Service.IMAP: ("OK", "NO", " [{}]", _IMAP),
    Service.POP3: ("+OK", "-ERR", " [{}]", _POP3),
    Service.SIEVE: ("OK", "NO", " ({})", _SIEVE),
}
_OTHERS: Final = ("OK", "NO", " ({})", {refusal: str(refusal) for refusal in Refusal})


def told(service: Service, refusal: Refusal | None) -> str:
    """The answer to a log-in: "OK", "NO [AUTHENTICATIONFAILED]". Unknown, disabled and banned sound like wrong."""
    yes, no, dress, codes = _SAYS.get(service, _OTHERS)
    if refusal is None:
        return yes
    code = codes[refusal.told]
    return no + dress.format(code) if code else no
