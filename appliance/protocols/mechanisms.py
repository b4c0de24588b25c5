"""SASL exchanges with a client: PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), in every protocol's dress.

Pure. Must never take what was cancelled, or is not base64, for a secret. How a challenge is said and its response read
is the protocol's: `ask` does it, and `respond` is the one of IMAP and POP3 (RFC 9051, 6.2.2; RFC 5034, 4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from appliance.edge import sasl
from appliance.protocols.conversation import CLIENT, Send, Step
from appliance.protocols.lines import CLIENT_LINE, without_ending
from appliance.terms import Credentials

Ask = Callable[[bytes], Step[bytes]]  # says a challenge (base64, or nothing); returns the decoded response


def respond(challenge: bytes) -> Step[bytes]:
    """The client's decoded response to a challenge. Raises sasl.Malformed."""
    yield Send(CLIENT, b"+ %b\r\n" % challenge)
    response = without_ending((yield CLIENT_LINE))
    if response == b"*":
        raise sasl.Malformed("cancelled")
    if response == b"=":  # stands for nothing in an initial response only
        raise sasl.Malformed("invalid base64")
    return sasl.decode(response)


def plain(initial: bytes | None, ask: Ask = respond) -> Step[Credentials]:
    """The credentials in one message. `initial` is the initial response in base64, if there is one."""
    if initial is None:
        return sasl.plain((yield from ask(b"")))
    return sasl.plain(sasl.decode(initial))


def login(initial: bytes | None, ask: Ask = respond) -> Step[Credentials]:
    """Name, then password; an initial response is the name, so it cannot be an empty one."""
    if initial == b"=":
        raise sasl.Malformed("LOGIN has no empty initial response")
    name = (yield from ask(sasl.USERNAME_PROMPT)) if initial is None else sasl.decode(initial)
    password = yield from ask(sasl.PASSWORD_PROMPT)
    return sasl.credentials(name, password, mechanism="LOGIN")


MECHANISMS: Final[dict[bytes, Callable[[bytes | None, Ask], Step[Credentials]]]] = {b"PLAIN": plain, b"LOGIN": login}
