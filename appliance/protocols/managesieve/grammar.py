"""ManageSieve's grammar, as far as a front-end meets it (RFC 5804 section 4): lines with their literals, strings.

Pure. Must never recurse or allocate by an announced number, nor take a literal's octets for lines. Literals never wait
for anybody here, so one is only another spelling of a string: read, it is written out as a quoted one.
"""

from __future__ import annotations

import re
from typing import Final

from appliance.protocols.conversation import CLIENT, Misspoken, Side, Step, read_exactly
from appliance.protocols.lines import BACKEND_LINE, CLIENT_LINE, LINE, NUL, is_tidy, without_ending
from appliance.protocols.managesieve.replies import BAD_LITERAL, TOO_BIG

LITERAL: Final = 16 * 1024  # octets: a quoted string may have 1024, a SASL response more than ten times as many
TEXT: Final = 2 * LINE  # octets of one line, its literals written out
QUOTED: Final = 1024

_ANNOUNCED: Final = re.compile(rb"\{([0-9]++)\+?\}\Z")
# Groups are repeated without a "possessive" plus: Debian 12's Python 3.11.2 gets those wrong (mended in 3.11.5). There
# is one way to read a string, so to look for another costs no more than its length.
_STRING: Final = rb'"[^"\\]*+(?:\\["\\][^"\\]*+)*"'
_STRINGS: Final = re.compile(rb"(?: %b)* ?" % _STRING)
_EACH: Final = re.compile(_STRING)
_ESCAPED: Final = re.compile(rb"\\(.)")


class Malformed(ValueError):  # noqa: N818 - a fact about a peer
    """A line that does not follow the grammar; the message is told to the client."""


def read_text(side: Side) -> Step[bytes]:
    """A line without its ending, its literals written out as quoted strings.

    Raises Malformed if it holds what might end a line elsewhere; Misspoken if octets may follow whose number is not
    known or too big: they must never be taken for lines.
    """
    line = CLIENT_LINE if side is CLIENT else BACKEND_LINE
    text = without_ending((yield line))
    tidy = is_tidy(text)
    while text[-1:] == b"}":
        octets = yield from _literal(text, side)
        more = without_ending((yield line))
        tidy = tidy and NUL not in octets and is_tidy(more)
        text = text[: text.rindex(b"{")] + quoted(octets) + more
    if not tidy:
        raise Malformed("NUL or bare CR")
    return text


def _literal(text: bytes, side: Side) -> Step[bytes]:
    """The octets of the literal that the text announces at its end, with a plus or (as some clients do) without."""
    announced = _ANNOUNCED.search(text)
    if announced is None:
        raise Misspoken(side, "malformed literal", BAD_LITERAL)
    size = int(announced[1]) if len(announced[1]) < 10 else TEXT
    if size > LITERAL or len(text) + size > TEXT:
        raise Misspoken(side, "literal too big", TOO_BIG)
    return (yield from read_exactly(side, size)) if size else b""


def strings(arguments: bytes) -> list[bytes]:
    """The strings of an argument list (each with its space before it). Raises Malformed if there is anything else."""
    if _STRINGS.fullmatch(arguments) is None:
        raise Malformed("strings expected")
    return [unquoted(found) for found in _EACH.findall(arguments)]


def unquoted(found: bytes) -> bytes:
    """What a quoted string holds."""
    inside = found[1:-1]
    return _ESCAPED.sub(rb"\1", inside) if b"\\" in inside else inside


def quoted(octets: bytes) -> bytes:
    """As a quoted string, whatever it holds and however long: to be sent only if that is known."""
    return b'"%b"' % octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def string(octets: bytes, side: Side) -> bytes:
    """A string as it may be sent to a side."""
    if len(octets) <= QUOTED and octets.isascii() and b"\r" not in octets and b"\n" not in octets:
        return quoted(octets)
    return b"{%d%b}\r\n%b" % (len(octets), b"" if side is CLIENT else b"+", octets)
