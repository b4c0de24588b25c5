"""What would happen if this address logged in now, from there: every step, who says so, how old that is.

Asks the same functions as admission, in the same order, so it cannot tell another story. Must never change anything:
it takes no trial of a back-end that is down, counts nothing, and checks no password.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Final

import msgspec

from appliance.routing import decision
from appliance.routing.authentication import Accounts, Refused, disabled
from appliance.routing.bans import Bans
from appliance.routing.decision import Place, View
from appliance.routing.health import Health
from appliance.routing.names import Name
from appliance.routing.snapshot import Snapshot
from appliance.routing.tables import Tables
from appliance.routing.told import told
from appliance.routing.usermap import Chain, Hit, UserMap
from appliance.terms import Absent, Found, Lookup, Refusal, Service
from db import bans
from db.accounts import Account
from db.connect import snapshot as one_moment

TEMPORARY: Final = frozenset({Refusal.TRY_LATER, Refusal.BACKEND_DOWN, Refusal.BACKEND_REFUSED, Refusal.LIMIT})


Sessions = Callable[[str, str], tuple[int, int]]  # how many an address (none: "") and a mailbox have now


class Step(msgspec.Struct, frozen=True):
    """One question and its answer. `age`: seconds since the answer was true for certain (0: asked just now)."""

    name: str
    result: str
    source: str
    age: float
    ms: float


class Explanation(msgspec.Struct):
    """The answer, with the keys of `postern route --json`. `refusal` names the reason, `told` what the client hears."""

    address: str
    service: str
    verdict: str = "refuse"  # route | refuse | temporary
    backend: str = ""
    host: str = ""
    port: int = 0
    login: str = ""
    steps: list[Step] = []
    told: str = ""
    refusal: str = ""


def explain(
    snapshot: Snapshot,
    connection: sqlite3.Connection,
    address: str,
    service: Service,
    client_ip: str,
    health: Health,
    sessions: Sessions | None = None,
) -> Explanation:
    """Explain a log-in. `client_ip` may be empty: then no address is banned, or has too many sessions.

    Without `sessions` nobody has. Raises sqlite3.Error.
    """
    tables = Tables.over(connection)
    found = Explanation(address, str(service))
    with one_moment(connection):
        now = decision.view(snapshot, tables, Bans(bans.all(connection)), health)
        asking = _Asking(now, service, tables, found)
        ending = asking.ask(address, client_ip)
    if isinstance(ending, Place) and sessions is not None:
        ending = asking.enter(client_ip, sessions) or ending
    refusal = ending.refusal if isinstance(ending, Refused) else None
    found.refusal = str(refusal or "")
    found.verdict = "route" if refusal is None else "temporary" if refusal in TEMPORARY else "refuse"
    found.told = told(service, refusal)
    return found


class _Asking:
    """One explanation under way."""

    def __init__(self, now: View, service: Service, tables: Tables, found: Explanation) -> None:
        recorded = {of: Chain(_RecordedMap(each, self) for each in chain.maps) for of, chain in now.chains.items()}
        self._now = msgspec.structs.replace(now, chains=recorded)
        self._service = service
        self._tables = tables
        self._found = found
        self._began = time.perf_counter()

    def note(self, name: str, result: str, source: str, age: float = 0.0) -> None:
        """A step is over."""
        now = time.perf_counter()
        self._found.steps.append(Step(name, result, source, round(age, 3), round((now - self._began) * 1000, 3)))
        self._began = now

    def ask(self, typed: str, ip: str) -> Place | Refused:
        """All questions, in the order of Admission."""
        if ip:
            refused = decision.banned_address(self._now, ip)
            self.note("address", refused.why if refused else "not banned", "bans")
            if refused:
                return refused
        name = decision.named(self._now, typed)
        self.note("name", name.why if isinstance(name, Refused) else name.whole, "site")
        if isinstance(name, Refused):
            return name
        if unserved := decision.unserved(self._now):
            self.note("password", unserved.why, "auth")
            return unserved
        account = self._account(name) if self._now.snapshot.method == "internal" else None
        if isinstance(account, Refused):
            return account
        return self._place(decision.identified(name, account) if account else name, account)

    def enter(self, ip: str, sessions: Sessions) -> Refused | None:
        """The last question: is there room for one more session?"""
        limits, (by_address, by_account) = self._now.snapshot.limits, sessions(ip, self._found.address)
        result = f"the mailbox has {_of(by_account, limits.sessions_per_account)}"
        if ip:
            result += f", the address {_of(by_address, limits.sessions_per_address)}"
        self.note("sessions", result, "limits")
        full = limits.reached(by_address, by_account)
        return Refused(Refusal.LIMIT, f"{full} is {getattr(limits, full)}") if full else None

    def _account(self, name: Name) -> Account | Refused:
        found = Accounts(self._tables, lambda *_: None).find(name)
        answer: Account | Refused
        if isinstance(found, Found):
            answer = disabled(found.value) or found.value
        elif isinstance(found, Absent):
            answer = Refused(Refusal.UNKNOWN_HERE, "no such account")
        else:
            answer = Refused(Refusal.TRY_LATER, found.reason)
        result = answer.why if isinstance(answer, Refused) else "on; its password would be checked here"
        self.note("account", result, "accounts")
        return answer

    def _place(self, name: Name, account: Account | None) -> Place | Refused:
        place = decision.placed(self._now, self._service, name, self._now.chains[self._service].look(name))
        if isinstance(place, Refused):
            self.note("mailbox", place.why, "maps")
            return place
        self._found.address = decision.mailbox(place, account)
        self.note("mailbox", f"lives on {place.back_end.name}", place.source)
        self._lead_to(place)
        serving = decision.serving(self._now, self._service, place, trial=False)
        if isinstance(serving, Refused):
            _, age = self._now.health.why(place.back_end.name, self._service)
            self.note("back-end", serving.why, "health", age)
            return serving
        self._lead_to(serving)
        self.note("back-end", f"{serving.back_end.name} serves", serving.source)
        return serving

    def _lead_to(self, place: Place) -> None:
        found, endpoint = self._found, place.back_end.endpoints.get(self._service)
        found.backend, found.login = place.back_end.name, place.back_end.login.name(found.address)
        found.host, found.port = (endpoint.host, endpoint.port) if endpoint else ("", 0)


def _of(count: int, limit: int) -> str:
    return f"{count} of at most {limit}" if limit else str(count)


class _RecordedMap:
    """A map that tells what it was asked and said."""

    def __init__(self, asked: UserMap, to: _Asking) -> None:
        self.name, self.blocks = asked.name, asked.blocks
        self._asked, self._to = asked, to

    def look(self, name: Name) -> Lookup[Hit]:
        """See UserMap."""
        found = self._asked.look(name)
        if isinstance(found, Found):
            result = f"{found.value.entry} is on {found.value.back_end}"
        else:
            result = "absent" if isinstance(found, Absent) else f"unknown: {found.reason}"
        self._to.note(f"map {self.name}", result, f"map {self.name}")
        return found
