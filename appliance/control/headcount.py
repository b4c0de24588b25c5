"""How many people live on each back-end, as the maps say.

Must never cost more than a fiftieth of a core, however large the maps and however often they change: what was counted
is kept until a map changes, and until that long after the counting.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Final

from db import maps

SPARED: Final = 50  # times as long as a counting took, until the next


class Headcount:
    """The last counting of each map. One thread at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counted: dict[str, tuple[int, dict[str, int]]] = {}  # map: the revision it was of, and what was found
        self._not_before = 0.0

    def of(self, connection: sqlite3.Connection, names: Collection[str]) -> dict[str, int]:
        """People of each back-end in these sqlite maps; of a moment ago, where much changes."""
        states = maps.states(connection)
        for name in self._counted.keys() - states.keys():
            del self._counted[name]
        for name in states.keys() & set(names):
            state = states[name]
            if self._counted.get(name, (0, {}))[0] != state.rev and self._clock() >= self._not_before:
                began = self._clock()
                self._counted[name] = (state.rev, maps.counts(connection, state.load))
                self._not_before = self._clock() + SPARED * (self._clock() - began)
        total: Counter[str] = Counter()
        for name in names:
            total.update(self._counted.get(name, (0, {}))[1])
        return total
