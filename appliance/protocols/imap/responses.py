"""A store's responses before log-in: read up to the tagged answer, bounded, and with what it volunteers.

Pure. Must never let a line pass that could be two elsewhere, nor take a literal's octets for lines. RFC 9051, 7.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from appliance.protocols.conversation import BACKEND, Misspoken, Step, read_exactly
from appliance.protocols.imap.capability import ok_text
from appliance.protocols.lines import BACKEND_LINE, LINE, is_tidy, without_ending

UNTAGGED: Final = 32  # lines a store may say before it answers
UNTIDY: Final = "NUL or bare CR from the store"


class Answer(NamedTuple):
    """What a store said up to its answer."""

    status: bytes  # OK, NO, BAD; or + for a continuation: it waits for more of us
    line: bytes
    untagged: list[bytes]


def _statuses(tag: bytes) -> dict[bytes, bytes]:
    """The first six octets of all answers to a command, in capitals."""
    found = {b"%b %b%b" % (tag, status, end): status for status in (b"OK", b"NO") for end in (b" ", b"\r", b"\n")}
    return found | {tag + b" BAD": b"BAD"}


ASKED: Final = _statuses(b"P0")
LOGGING_IN: Final = _statuses(b"P1")


def read_answer(statuses: dict[bytes, bytes], first: bytes = b"") -> Step[Answer]:
    """Read up to the tagged answer, or a continuation (some stores omit the space after `+`).

    `first` is its first line, if that was read before.
    """
    untagged: list[bytes] = []
    while len(untagged) <= UNTAGGED:
        line: bytes = first or (yield BACKEND_LINE)
        first = b""
        if line[-3:] == b"}\r\n":
            line = yield from _with_literals(line)
        elif not is_tidy(without_ending(line)):
            raise Misspoken(BACKEND, UNTIDY)
        status = statuses.get(line[:6].upper())
        if status is not None:
            return Answer(status, line, untagged)
        start = line[:2]
        if start == b"* ":
            untagged.append(line)
        elif start[:1] == b"+":
            return Answer(b"+", line, untagged)
        elif start == b"I0":
            untagged.append(b"")  # the answer to our introduction: nothing to pass on, but it counts
        else:
            break
    raise Misspoken(BACKEND, "the store gives no answer that makes sense")


def _with_literals(line: bytes) -> Step[bytes]:
    """The whole of a response whose first line seems to end in a literal."""
    response = line
    while line[-3:] == b"}\r\n":
        if not is_tidy(line[:-2]):
            raise Misspoken(BACKEND, UNTIDY)
        digits = line[line.rfind(b"{") + 1 : -3]
        if not digits.isdigit():
            break
        if len(digits) > 5 or len(response) + int(digits) > 2 * LINE:
            raise Misspoken(BACKEND, "too much from the store before log-in")
        if int(digits):
            response += yield from read_exactly(BACKEND, int(digits))
        line = yield BACKEND_LINE
        response += line
    return response


def volunteered(answer: Answer) -> bytes:
    """Capabilities anywhere in an answer, or nothing."""
    found = ok_text(answer.line[6:])[0]
    for line in answer.untagged:
        plain = without_ending(line)[13:] if line[:13].upper() == b"* CAPABILITY " else b""
        found = plain or ok_text(line[5:])[0] or found
    return found
