"""The log: one line for each log-in that ended, written once per tick. Format: logfmt, key=value.

Must never let a peer's text begin a line, reach a terminal's controls, or pass for another field (CWE-117).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Final

from appliance.messages import Outcome

_HARMLESS: Final = re.compile(r"[A-Za-z0-9@._:+/%-]+").fullmatch


def escaped(text: str) -> str:
    """As one value: as it is if harmless, else quoted, with everything that is not printable as an escape."""
    if _HARMLESS(text):
        return text
    return '"' + "".join(map(_letter, text)) + '"'


def _letter(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter.isprintable():
        return letter
    return letter.encode("unicode_escape", "surrogatepass").decode()


@lru_cache(4096)  # they come again and again
def _route(backend: str, source: str) -> str:
    return f" backend={escaped(backend)} source={escaped(source)}" if backend else ""


@lru_cache(4096)
def _tenths(number: int) -> str:
    return f"{number / 10:.1f}"


def line(outcome: Outcome) -> str:
    """The line of one log-in, without its end."""
    admission, dial, there, total = [_tenths(round(10 * ms)) for ms in outcome.ms]
    why = f" why={escaped(outcome.why)}" if outcome.why else ""
    return (
        f"login={outcome.refusal or 'ok'} session={outcome.session} service={outcome.service}"
        f" user={escaped(outcome.user)} client={outcome.client}{_route(outcome.backend, outcome.source)}{why}"
        f" ms={total} admission={admission} dial={dial} there={there}"
    )


class Log:
    """Where the lines go."""

    def __init__(self, fd: int = 2) -> None:
        self._fd = fd
        self._prefix = "<6>" if "JOURNAL_STREAM" in os.environ else ""  # sd-daemon(3): informational

    def write(self, outcomes: Iterable[Outcome]) -> None:
        """A line each, all at once. A log that cannot be written is lost: mail goes on."""
        prefix = self._prefix
        text = "".join([f"{prefix}{line(outcome)}\n" for outcome in outcomes])
        data = text.encode("utf-8", "backslashreplace")
        with suppress(OSError):
            while data:
                data = data[os.write(self._fd, data) :]
