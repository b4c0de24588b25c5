"""Who is refused for a time: client addresses, networks, accounts. Asked on every log-in, before anything else.

Must never outlive a ban: expiry is checked when asked, not only when the table is read again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from appliance.routing.networks import Networks
from db.bans import Ban

_LOG: Final = logging.getLogger(__name__)


class Bans:
    """The bans of one revision. Asking costs the same for ten as for ten thousand."""

    def __init__(self, bans: Iterable[Ban] = (), clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._accounts: dict[str, float] = {}
        self._networks: dict[str, float] = {}
        for ban in bans:
            if ban.scope == "account":
                self._accounts[ban.subject.lower()] = ban.until
            elif ban.scope == "address" and _is_network(ban.subject):  # those of the console alone are not mail's
                self._networks[ban.subject] = ban.until
        self._index = Networks(self._networks)
        self.has_addresses = bool(self._index)  # whether there is any ban to ask for
        self.has_accounts = bool(self._accounts)

    def address(self, ip: str) -> bool:
        """Whether this client address is banned now."""
        return any(self._holds(self._networks[text]) for text in self._index.around(ip))

    def account(self, address: str) -> bool:
        """Whether this account is banned now."""
        until = self._accounts.get(address.lower())
        return until is not None and self._holds(until)

    def _holds(self, until: float) -> bool:
        return not until or until > self._clock()


def _is_network(text: str) -> bool:
    try:
        Networks([text])
    except ValueError:
        _LOG.error("the ban of %r is on no address or network: passed over, the others hold", text)
        return False
    return True
