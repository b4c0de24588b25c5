"""The log: one line for each log-in that ended, written once per tick. Format: logfmt, key=value.

Must never let a peer's text begin a line, reach a terminal's controls, or pass for another field (CWE-117).
"""

from __future__ import annotations

import os
from typing import Final

from appliance.messages import Outcome
from appliance.wire.loop import Loop

TICK: Final = 0.1  # seconds
_PLAIN: Final = frozenset("@.-_:+/[]%")  # besides letters and digits


def escaped(text: str) -> str:
    """As one value: as it is if harmless, else quoted, with everything that is not printable as an escape."""
    if text.isascii() and text.replace("@", "").replace(".", "").replace("-", "").isalnum():
        return text
    if text and all(letter.isalnum() or letter in _PLAIN for letter in text):
        return text if text.isprintable() else _quoted(text)
    return _quoted(text)


def _quoted(text: str) -> str:
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
    text = f"login={outcome.refusal or 'ok'} session={outcome.session} service={outcome.service}"
    text += f" user={escaped(outcome.user)} client={escaped(outcome.client)}"
    if outcome.backend:
        text += f" backend={escaped(outcome.backend)} source={escaped(outcome.source)}"
    if outcome.why:
        text += f" why={escaped(outcome.why)}"
    return f"{text} ms={total:.1f} admission={admission:.1f} dial={dial:.1f} there={there:.1f}"


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
