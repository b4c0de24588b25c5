"""How far long work has come: a bar, how much of how much, how fast, how long still. Pure: time is handed in."""

from __future__ import annotations

from typing import Final

from appliance.control.api import Progress
from tui.words import age, count, size

FULL: Final = "█"
EMPTY: Final = "░"
WORDS: Final = {"reading": "reading the file", "comparing": "comparing with what is live", "writing": "writing"}
SOON: Final = 0.5  # seconds until a rate means anything


class Meter:
    """One piece of work, phase after phase."""

    def __init__(self) -> None:
        self._now: Progress | None = None
        self._since = self._at = 0.0  # of this phase
        self._from = 0

    def told(self, progress: Progress, at: float) -> bool:
        """It has come so far, at this moment. Whether that is another phase than before."""
        begins = self._now is None or self._now.phase != progress.phase
        if begins:
            self._since, self._from = at, progress.done
        self._now, self._at = progress, at
        return begins

    def line(self, width: int) -> str:
        """As one line of at most `width` letters."""
        if self._now is None:
            return "waiting for the node"
        now = self._now
        words = WORDS.get(now.phase, now.phase)
        if now.total <= 0:
            return words
        share = min(now.done / now.total, 1.0)
        amount = size if now.phase == "reading" else count
        figures = f" {int(100 * share):>3} %  {amount(now.done)} of {amount(now.total)}{self._pace()}"
        room = max(width - len(words) - len(figures) - 2, 4)
        full = int(room * share)
        return f"{words} {FULL * full}{EMPTY * (room - full)}{figures}"

    def _pace(self) -> str:
        now, seconds = self._now, self._at - self._since
        if now is None or seconds < SOON or now.done <= self._from:
            return ""
        rate = (now.done - self._from) / seconds
        shown = f"{size(rate)}/s" if now.phase == "reading" else f"{count(rate)}/s"
        return f"  {shown}  {age((now.total - now.done) / rate)} left"
