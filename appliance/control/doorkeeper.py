"""Failed tries at the console, by client address: answered ever later, and at last a ban.

Pure: the clock is handed in. Bounded: of more addresses than KEYS the oldest are forgotten. IPv6 clients are counted by
their /64. Must never decide by a name: whoever guesses chooses it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from appliance.routing.networks import client_key

KEYS: Final = 4096
WITHIN: Final = 3600.0  # seconds
MOST: Final = 20  # failures within that time
FIRST_DELAY: Final = 0.2
LONGEST_DELAY: Final = 5.0


class Doorkeeper:
    """Counts. Threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def failed(self, client: str, tries: int = 1) -> bool:
        """So many tries failed there. Whether that is as many as are borne, or more."""
        key, now = client_key(client), self._clock()
        with self._lock:
            times = self._failures.setdefault(key, deque(maxlen=MOST))
            self._failures.move_to_end(key)
            if len(self._failures) > KEYS:
                self._failures.popitem(last=False)
            times.extend([now] * min(tries, MOST))
            return len(times) == MOST and now - times[0] < WITHIN

    def forget(self, client: str) -> None:
        """Count anew: it is banned."""
        with self._lock:
            self._failures.pop(client_key(client), None)

    def delay(self, client: str) -> float:
        """Seconds until the next try from there shall be answered."""
        with self._lock:
            now = self._clock()
            late = [at for at in self._failures.get(client_key(client), ()) if now - at < WITHIN]
        return min(FIRST_DELAY * 2.0 ** (len(late) - 1), LONGEST_DELAY) if late else 0.0
