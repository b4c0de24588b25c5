"""POP3's grammar, as far as a front-end meets it (RFC 1939, 3; RFC 2449, 5 and 8): commands, replies, capabilities.

Pure. Must never let a line pass that could be two elsewhere: what strangers send is bounded before it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from appliance.protocols.lines import is_tidy, printable, without_ending

COMMAND: Final = 255  # octets of a line that every store takes, its ending included (RFC 2449, 4)


class Malformed(ValueError):  # noqa: N818 - a fact about a peer
    """A command that does not follow the grammar; the message is told to the client."""


class Command(NamedTuple):
    """One command. `argument` is all behind one space: passwords may begin and end in spaces."""

    verb: bytes
    argument: bytes


def command_of(line: bytes) -> Command:
    """The command in a line. Raises Malformed."""
    text = without_ending(line)
    if not is_tidy(text):
        raise Malformed("NUL or bare CR")
    verb, _, argument = text.partition(b" ")
    return Command(verb.upper(), argument)


def is_ok(line: bytes) -> bool:
    """Whether a store's line is a yes."""
    return line[:3].upper() == b"+OK"


def words_of(line: bytes) -> bytes:
    """What a store says behind its +OK or -ERR, its code included, as it came."""
    return without_ending(line).partition(b" ")[2].strip()


def code_of(words: bytes) -> bytes:
    """The extended response code that they begin with, in capitals (RFC 2449, 8); empty if there is none."""
    inside, bracket, _ = words[1:].partition(b"]") if words[:1] == b"[" else (b"", b"", b"")
    return inside.strip().upper() if bracket else b""


def said(line: bytes) -> str:
    """A store's words for the log."""
    return printable(line.strip()).decode("ascii")


def offers(lines: Iterable[bytes]) -> frozenset[str]:
    """Capabilities to look things up in: their first words, and each mechanism as "SASL=PLAIN"."""
    found: set[str] = set()
    for line in lines:
        word, *arguments = line.decode("ascii", "replace").upper().split() or [""]
        found.update(f"SASL={mechanism}" for mechanism in arguments) if word == "SASL" else found.add(word)
    return frozenset(found)
