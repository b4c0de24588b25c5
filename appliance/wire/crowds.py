"""Who holds how many connections, here and at the node's other workers: what limits by address and mailbox go by.

A count matters once one worker holds half of its fair share of the limit: as long as all hold less than a fair share,
the limit is not reached. That worker tells the controller, the controller tells the others, and whoever hears of
somebody tells its own count and each change of it, until nobody holds any. So totals are right, a fifth of a second
late, and of most people no word is said. Must never wait for that: without a controller each worker counts its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from appliance.terms import Limits

T = TypeVar("T")

NEVER: Final = float("inf")


class Crowd(Generic[T]):
    """Connections of one sort. `here`: its owner's table of who holds what, as much of it as `size` says."""

    def __init__(self, here: dict[str, T], size: Callable[[T], int]) -> None:
        self.here = here
        self.others: dict[str, int] = {}  # of whom it matters: what all other workers hold
        self.share = NEVER  # from which on it matters
        self.told: Callable[[str], object] = lambda who: None  # somebody's `others` changed
        self.soon: Callable[[], object] = lambda: None  # there is news
        self._size = size
        self._changed: set[str] = set()

    def bound(self, limit: int, workers: int) -> None:
        """The limit of all workers together; 0: there is none."""
        fair = -(-limit // workers)
        self.share = max(fair // 2, 1) if limit else NEVER
        self.begin()

    def changed(self, who: str) -> None:
        """What this worker holds is another number now, and it matters."""
        self.others.setdefault(who, 0)
        self._changed.add(who)
        self.soon()

    def begin(self) -> None:
        """Somebody listens who has heard nothing yet."""
        for who in [who for who, held in self.here.items() if self._size(held) >= self.share]:
            self.changed(who)

    def alone(self) -> None:
        """Nothing is known of others any more."""
        self.others.clear()
        self._changed.clear()

    def count(self, who: str) -> int:
        """What this worker holds."""
        held = self.here.get(who)
        return self._size(held) if held is not None else 0

    def heard(self, who: str, others: int) -> None:
        """What all other workers hold."""
        if who not in self.others and who in self.here:
            self.changed(who)
        self.others[who] = others
        self._forget_if_over(who)
        self.told(who)

    def news(self) -> dict[str, int]:
        """The counts that changed since this was last asked."""
        changed, self._changed = self._changed, set()
        news = {who: self.count(who) for who in changed}
        for who in changed:
            self._forget_if_over(who)
        return news

    def _forget_if_over(self, who: str) -> None:
        if who not in self.here and not self.others.get(who):
            self.others.pop(who, None)


class Counted(Crowd[int]):
    """A crowd that is no more than its numbers."""

    def __init__(self) -> None:
        super().__init__({}, int)

    def add(self, who: str) -> None:
        """One more."""
        here = self.here
        here[who] = count = here.get(who, 0) + 1
        if count >= self.share or who in self.others:
            self.changed(who)

    def remove(self, who: str) -> None:
        """One less."""
        here = self.here
        if here[who] > 1:
            here[who] -= 1
        else:
            del here[who]
        if who in self.others:
            self.changed(who)


class Crowds:
    """All that one worker counts. A key, to the controller: the sort of crowd and who."""

    def __init__(self, waiting: Crowd[Any]) -> None:
        self.address, self.account = Counted(), Counted()  # sessions that are logged in, at whatever service
        self._waiting = waiting
        self._sorts: dict[str, Crowd[Any]] = {"waiting": waiting, "address": self.address, "account": self.account}

    def bound(self, limits: Limits, workers: int) -> None:
        """These limits hold for so many workers together."""
        self._waiting.bound(limits.preauth_per_address, workers)
        self.address.bound(limits.sessions_per_address, workers)
        self.account.bound(limits.sessions_per_account, workers)

    def reached(self, limits: Limits, address: str, account: str) -> str:
        """The limit that leaves no room for one more session, and its value; empty if there is room."""
        of_address, of_account = self.address, self.account
        by_address = of_address.here.get(address, 0) + of_address.others.get(address, 0)
        by_account = of_account.here.get(account, 0) + of_account.others.get(account, 0)
        if by_address < of_address.share and by_account < of_account.share:
            return ""
        return limits.reached(by_address, by_account)

    def call(self, soon: Callable[[], object]) -> None:
        """Call this when there is news."""
        for crowd in self._sorts.values():
            crowd.soon = soon

    def begin(self) -> None:
        """The controller is there, and has heard nothing yet."""
        for crowd in self._sorts.values():
            crowd.begin()

    def alone(self) -> None:
        """The controller is gone."""
        for crowd in self._sorts.values():
            crowd.alone()

    def heard(self, counts: Mapping[str, int]) -> None:
        """What all other workers hold, of whom it matters."""
        for key, count in counts.items():
            sort, _, who = key.partition(" ")
            if sort in self._sorts:  # of a later release
                self._sorts[sort].heard(who, count)

    def news(self) -> dict[str, int]:
        """What changed here."""
        return {f"{sort} {who}": n for sort, crowd in self._sorts.items() for who, n in crowd.news().items()}
