"""IMAP's grammar, as far as a front-end meets it (RFC 9051 section 9, RFC 7888): commands, strings, literals, lists.

Pure. Must never recurse or allocate by an announced number: what strangers send is bounded before it is looked at.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from msgspec import Struct

from appliance.protocols.conversation import CLIENT, Misspoken, Send, Step, read_exactly
from appliance.protocols.imap.replies import BAD_LITERAL, GO_AHEAD, TOO_BIG
from appliance.protocols.lines import CLIENT_LINE, NUL, is_tidy, without_ending

LITERAL: Final = 4096  # octets: the most that LITERAL- lets a client send unasked
COMMAND: Final = 32 * 1024  # octets of one command, literals included
TAG: Final = 128
ID_PAIRS: Final = 30  # RFC 2971 section 3.3
ID_KEY: Final = 30
ID_VALUE: Final = 1024

# What an atom may hold. `%` and `*` are forbidden only where they would be wildcards: people have them in passwords.
_ATOM: Final = bytes(octet for octet in range(0x21, 0x7F) if octet not in b'(){"\\')
_ATOMS: Final = b"[%b]++" % re.escape(_ATOM)
_TAG: Final = re.compile(b"[%b]+" % re.escape(_ATOM.translate(None, b"+%*")))
# Name and password where each is an atom, or could be one and is quoted.
_USUAL_LOGIN: Final = re.compile(rb'("?)(%b)\1 ("?)(%b)\3' % (_ATOMS, _ATOMS))
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\["\\])*)"')
_ESCAPED: Final = re.compile(rb"\\(.)")


class Malformed(ValueError):  # noqa: N818 - a fact about a peer
    """Arguments that do not follow the grammar; the message is told to the client."""


class Literal(NamedTuple):
    """An announced literal."""

    size: int
    waits: bool  # synchronising: the client sends it only when told to


class Command(Struct):
    """One command. `segments` are its arguments: text, then literal and text in turn."""

    tag: bytes
    verb: bytes
    segments: list[bytes]
    fault: bytes = b""  # why it cannot be obeyed whatever it says
    literal: Literal | None = None  # announced at its end, and still to come


def announced(text: bytes) -> Literal | None:
    """The literal at the end of a line. Raises Misspoken if octets may follow whose number is not known."""
    if text[-1:] != b"}":
        return None
    digits = text[text.rfind(b"{") + 1 : -1] if b"{" in text else b""
    waits = digits[-1:] != b"+"
    digits = digits if waits else digits[:-1]
    if digits.isdigit():
        return Literal(int(digits) if len(digits) < 10 else COMMAND, waits)
    if not waits:
        raise Misspoken(CLIENT, "malformed literal", BAD_LITERAL)
    return None


def command_of(line: bytes) -> Command:
    """The command that a line begins. Raises Misspoken if octets may follow whose number is not known."""
    text = without_ending(line)
    tag, _, rest = text.partition(b" ")
    verb, _, arguments = rest.partition(b" ")
    fault = b"" if is_tidy(text) else b"NUL or bare CR"
    if len(tag) > TAG or not (tag.isalnum() or _TAG.fullmatch(tag)):
        tag, fault = b"*", b"Invalid tag"
    return Command(tag, verb.upper(), [arguments], fault, announced(text) if text[-1:] == b"}" else None)


def read_literals(command: Command, wanted: bool) -> Step[None]:
    """Complete a command by its literals. Those that are not wanted are refused, or read and dropped.

    A literal sent unasked is always read to its end: its octets must never be taken for commands. One that is too
    big for that raises Misspoken (RFC 7888 section 4); so does a line that is.
    """
    room = COMMAND
    while command.literal is not None:
        size, waits = command.literal
        if waits and (command.fault or not wanted):
            break  # refused before it is sent
        room -= size
        if size > LITERAL or room < 0:
            if not waits:
                raise Misspoken(CLIENT, "literal too big", TOO_BIG)
            command.fault = b"[TOOBIG] Literal too big"
            break
        if waits:
            yield Send(CLIENT, GO_AHEAD)
        octets = (yield from read_exactly(CLIENT, size)) if size else b""
        text = without_ending((yield CLIENT_LINE))
        room -= len(text)
        if NUL in octets or not is_tidy(text):
            command.fault = b"NUL or bare CR"
        if wanted:
            command.segments += (octets, text)
        command.literal = announced(text)


class Arguments:
    """Reads a command's arguments from left to right. Every method raises Malformed where they do not fit."""

    __slots__ = ("_later", "_text")

    def __init__(self, segments: list[bytes]) -> None:
        self._text = segments[0]
        self._later = segments[:0:-1]  # the next one last

    def astring(self) -> bytes:
        """An atom, a quoted string or a literal."""
        if self._text[:1] in (b'"', b"{"):
            return self.string()
        atom, space, rest = self._text.partition(b" ")
        if not atom or atom.translate(None, _ATOM):
            raise Malformed("not a string")
        self._text = space + rest
        return atom

    def string(self) -> bytes:
        """A quoted string or a literal."""
        text = self._text
        if text[:1] != b'"':
            return self._literal()
        end = text.find(b'"', 1)
        if end < 0:
            raise Malformed("not a string")
        value = text[1:end]
        if b"\\" in value:
            return self._escaped()
        self._text = text[end + 1 :]
        return value

    def _literal(self) -> bytes:
        if self._text[:1] != b"{" or self._text.count(b"{") > 1 or not self._later:
            raise Malformed("not a string")
        octets = self._later.pop()
        self._text = self._later.pop()
        return octets

    def _escaped(self) -> bytes:
        quoted = _QUOTED.match(self._text)
        if quoted is None:
            raise Malformed("not a quoted string")
        self._text = self._text[quoted.end() :]
        return _ESCAPED.sub(rb"\1", quoted[1])

    def nil(self) -> bool:
        """Whether NIL came next; it is read."""
        if self._text[:3].upper() != b"NIL":
            return False
        self._text = self._text[3:]
        return True

    def take(self, octets: bytes) -> bool:
        """Whether exactly these came next; they are read."""
        if not self._text.startswith(octets):
            return False
        self._text = self._text[len(octets) :]
        return True

    def expect(self, octets: bytes) -> None:
        """These must come next."""
        if not self.take(octets):
            raise Malformed("unexpected argument")

    def end(self) -> None:
        """Nothing may follow."""
        if self._text or self._later:
            raise Malformed("too many arguments")


def login_arguments(segments: list[bytes]) -> tuple[bytes, bytes]:
    """Name and password of LOGIN (RFC 9051, 6.2.3)."""
    usual = _USUAL_LOGIN.fullmatch(segments[0]) if len(segments) == 1 else None
    return (usual[2], usual[4]) if usual is not None else any_login_arguments(segments)


def any_login_arguments(segments: list[bytes]) -> tuple[bytes, bytes]:
    """The same, of whatever form."""
    arguments = Arguments(segments)
    name = arguments.astring()
    arguments.expect(b" ")
    password = arguments.astring()
    arguments.end()
    return name, password


def id_arguments(segments: list[bytes]) -> dict[bytes, bytes]:
    """The field-value pairs of ID, keys in lower case, NIL as empty (RFC 2971 section 3.3 gives the limits)."""
    arguments = Arguments(segments)
    pairs: dict[bytes, bytes] = {}
    if not arguments.nil():
        arguments.expect(b"(")
        while not arguments.take(b")"):
            if pairs:
                arguments.expect(b" ")
            _id_pair(arguments, pairs)
    arguments.end()
    return pairs


def _id_pair(arguments: Arguments, pairs: dict[bytes, bytes]) -> None:
    key = arguments.string().lower()
    arguments.expect(b" ")
    value = b"" if arguments.nil() else arguments.string()
    if key in pairs or len(key) > ID_KEY or len(value) > ID_VALUE or len(pairs) == ID_PAIRS:
        raise Malformed("too many, too long or repeated ID fields")
    pairs[key] = value


def quoted(octets: bytes) -> bytes | None:
    """As a quoted string, or None if only a literal can hold it (CR, LF, 8-bit)."""
    if b"\r" in octets or b"\n" in octets or not octets.isascii():
        return None
    if b'"' in octets or b"\\" in octets:
        octets = octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"%b"' % octets
