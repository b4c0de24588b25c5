"""The log: one line for each log-in that ended, written once per tick. Format: logfmt, key=value.

Must never let a peer's text begin a line, reach a terminal's controls, or pass for another field (CWE-117).
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Final

from appliance.messages import Outcome
from appliance.wire.loop import Loop

TICK: Final = 0.1  # seconds
_HARMLESS: Final = re.compile(r"[A-Za-z0-9@._:+/%-]+").fullmatch


@lru_cache(4096)  # names, addresses and sources come again and again
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


def line(outcome: Outcome) -> str:
    """The line of one log-in, without its end."""
    admission, dial, there, total = outcome.ms
    route = f" backend={escaped(outcome.backend)} source={escaped(outcome.source)}" if outcome.backend else ""
    why = f" why={escaped(outcome.why)}" if outcome.why else ""
    return (
        f"login={outcome.refusal or 'ok'} session={outcome.session} service={outcome.service}"
        f" user={escaped(outcome.user)} client={escaped(outcome.client)}{route}{why}"
        f" ms={total:.1f} admission={admission:.1f} dial={dial:.1f} there={there:.1f}"
    )


class Log:
    """Collects outcomes and writes them together."""

    def __init__(self, loop: Loop, fd: int = 2) -> None:
        self._loop = loop
        self._fd = fd
        self._prefix = "<6>" if "JOURNAL_STREAM" in os.environ else ""  # sd-daemon(3): informational
        self._pending: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Write this one with the next lot."""
        if not self._pending:
            self._loop.after(TICK, self.flush)
        self._pending.append(outcome)

    def flush(self) -> None:
        """Write what was collected. A log that cannot be written is lost: mail goes on."""
        pending, self._pending = self._pending, []
        prefix = self._prefix
        text = "".join(f"{prefix}{line(outcome)}\n" for outcome in pending)
        data = text.encode("utf-8", "backslashreplace")
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            pass
