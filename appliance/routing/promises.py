"""What may be promised to a client before it is known where its mailbox lives: what every store offers.

Some clients never ask again after log-in (Python's imaplib among them), and would do without IDLE or ENABLE. Must
never promise what one store lacks, or what is not known of one that is in use.
"""

from __future__ import annotations

from functools import reduce
from typing import Final

from appliance.routing.snapshot import Snapshot
from appliance.terms import Service

NOTHING: Final[frozenset[str]] = frozenset()


class Promises:
    """The capabilities of each store, as probes found them."""

    def __init__(self) -> None:
        self._offers: dict[tuple[str, str], frozenset[str]] = {}

    def told(self, back_end: str, service: str, capabilities: str) -> None:
        """What a store offers now; an empty text says nothing, and what was known holds."""
        if capabilities:
            self._offers[back_end, service] = frozenset(capabilities.split())

    def of(self, snapshot: Snapshot, service: Service) -> frozenset[str]:
        """What every store of this service offers."""
        stores = [name for name, store in snapshot.back_ends.items() if service in store.endpoints]
        offers = [self._offers.get((name, service), NOTHING) for name in stores]
        return reduce(frozenset.intersection, offers) if offers else NOTHING
