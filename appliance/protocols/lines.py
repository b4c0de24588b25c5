"""Lines, as all session protocols have them: their limits, their endings, and what may not be inside.

Pure. Must never let NUL or a bare CR through: another program behind us may end a line there (CWE-93).
"""

from __future__ import annotations

from typing import Final

from appliance.protocols.conversation import BACKEND, CLIENT, ReadLine

LINE: Final = 16 * 1024  # octets of one line, its ending included
CLIENT_LINE: Final = ReadLine(CLIENT, LINE)  # one effect serves all sessions: it holds nothing
BACKEND_LINE: Final = ReadLine(BACKEND, LINE)
TOLD: Final = 200  # octets of a store's own words that are passed on

CR: Final = 0x0D  # numbers: to look for an octet takes a fifth of the time that to look for octets does
NUL: Final = 0x00
_UNPRINTABLE: Final = bytes(octet for octet in range(256) if not 0x20 <= octet < 0x7F)


def without_ending(line: bytes) -> bytes:
    """The line's text. A lone LF ends a line too: people type through `openssl s_client`."""
    return line[:-2] if line[-2:] == b"\r\n" else line[:-1]


def is_tidy(text: bytes) -> bool:
    """Whether nothing in it could end a line elsewhere."""
    return CR not in text and NUL not in text


def printable(words: bytes) -> bytes:
    """A peer's words, fit to be one line of ours: ASCII without controls, bounded."""
    return words[: TOLD * 2].translate(None, _UNPRINTABLE)[:TOLD].strip()
