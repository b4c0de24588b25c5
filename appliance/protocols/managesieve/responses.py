"""A store's responses before log-in: read whole, bounded, and taken apart. RFC 5804, 1.2, 1.3 and 4.

Pure. Must never take a literal's octets for lines, nor a challenge for success.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from appliance.protocols.conversation import BACKEND, Misspoken, Step
from appliance.protocols.lines import printable
from appliance.protocols.managesieve.grammar import Malformed, read_text, strings, unquoted

LINES: Final = 64  # that a store may say before it answers

# A status, perhaps a code with strings and numbers, perhaps words: a quoted string, or what some store takes for one.
_STATUS: Final = re.compile(
    rb'(OK|NO|BYE)(?![^ (])(?: *\( *+([\w/.-]*+)(?:[^"()]++|"[^"\\]*+(?:\\["\\][^"\\]*+)*")*\))? *(.*)', re.I | re.S
)


class Response(NamedTuple):
    """One response. Without a status it is strings: a capability with its value, or a challenge."""

    status: bytes  # OK, NO, BYE; or nothing
    code: bytes = b""  # in capital letters
    words: bytes = b""  # fit to be passed on
    strings: tuple[bytes, ...] = ()

    @property
    def said(self) -> str:
        """The words and the code, for the log."""
        return " ".join(part.decode() for part in (self.status, self.code, self.words) if part)


def response_of(text: bytes) -> Response:
    """A response whose literals are written out. Raises Malformed if it is none."""
    status = _STATUS.fullmatch(text)
    if status is None:
        if text[:1] != b'"':
            raise Malformed("no response")
        return Response(b"", strings=tuple(strings(b" " + text)))
    words = status[3]
    if words[:1] == b'"' and words[-1:] == b'"':
        words = unquoted(words)
    return Response(status[1].upper(), (status[2] or b"").upper(), printable(words))


def read_response() -> Step[Response]:
    """The next response. Raises Misspoken."""
    try:
        return response_of((yield from read_text(BACKEND)))
    except Malformed:
        raise Misspoken(BACKEND, "the store gives no answer that makes sense") from None


def read_block() -> Step[tuple[Response, dict[bytes, bytes]]]:
    """An answer, and the capabilities before it: names in capital letters, and values."""
    offered: dict[bytes, bytes] = {}
    for _ in range(LINES):
        response = yield from read_response()
        if response.status:
            return response, offered
        name, value = (*response.strings, b"", b"")[:2]
        offered[name.upper()] = value
    raise Misspoken(BACKEND, "too much from the store before log-in")
