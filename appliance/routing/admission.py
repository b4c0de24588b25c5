"""Who is let in and where to, for one worker: the questions of routing.decision, asked for a session.

Lives in the loop's thread; what blocks goes through `offload`, and a full queue is "try later". Must never turn an
outage into a refusal of the user: whatever is not known now is TRY_LATER. Works with the controller gone: it reads
config.db by itself each second, and keeps the last good configuration if a newer one cannot be served.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, Final

from appliance.messages import LOGIN_SECONDS
from appliance.routing import decision
from appliance.routing.authentication import Accounts, OnRehash, Refused
from appliance.routing.backends import is_ours
from appliance.routing.decision import Place, View
from appliance.routing.health import Health, OnState
from appliance.routing.limits import Failures
from appliance.routing.names import Name
from appliance.routing.networks import Networks
from appliance.routing.promises import Promises
from appliance.routing.snapshot import Snapshot
from appliance.routing.usermap import Hit, Work
from appliance.routing.watch import Watch
from appliance.terms import (
    ABSENT,
    Credentials,
    Endpoint,
    Found,
    Limits,
    Lookup,
    Peer,
    Refusal,
    Route,
    Service,
    Unknown,
)
from appliance.vault import Vault
from db.accounts import Account

Verdict = Route | Refusal
Answer = Callable[[Verdict], None]
Offload = Callable[[Work, Callable[[Any], None]], bool]
Steps = Generator[Work, Any, Route | Refused]

_LOG: Final = logging.getLogger(__name__)
_BOUNDS: Final = [*map(str, LOGIN_SECONDS), "+Inf"]
# the counters of a log-in that succeeded: that it did, its time, the bound that is under
_KEYS: Final = {
    of: (f"logins/{of}/ok", f"login_seconds/{of}/sum", [f"login_seconds/{of}/{bound}" for bound in _BOUNDS])
    for of in Service
}
_OURS_TO_MEND: Final = frozenset({Refusal.MISCONFIGURED, Refusal.TRY_LATER, Refusal.LOOP, Refusal.BACKEND_DOWN})


class Admission:
    """Implements what appliance.wire.ports asks of an Admission."""

    def __init__(
        self, config_db: Path, node: str, vault: Vault, offload: Offload, on_rehash: OnRehash, on_state: OnState
    ) -> None:
        """Raises SnapshotError or sqlite3.Error: without a configuration there is nothing to serve."""
        self.counters: defaultdict[str, float] = defaultdict(float)
        self.health = Health(on_state)
        self.failures = Failures()
        self.promises = Promises()
        self.watch = Watch(config_db, node, vault, self.health, self._changed)
        self.accounts = Accounts(self.watch.tables, on_rehash)
        self._offload = offload
        self._noted: set[str] = set()
        self.watch.begin()

    # --- the port of the wire ---------------------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        """The limits now in force."""
        return self.watch.view.snapshot.limits

    def admit(self, peer: Peer, credentials: Credentials, answer: Answer) -> Verdict | None:
        """The verdict at once, or None: then `answer` is called later, from the loop's thread, exactly once."""
        now, service = self.watch.view, peer.service
        name = self._asked_for(now, peer, credentials)
        if not isinstance(name, Name):
            return self._refuse(name)
        chain = now.chains[service]
        if now.snapshot.method != "backend" or chain.blocks:
            return self._go_on(self._decide(now, service, name, credentials), None, answer)
        verdict = self._lead(now, service, name, credentials, None, chain.look(name))
        return verdict if isinstance(verdict, Route) else self._refuse(verdict)

    def reached(self, endpoint: Endpoint, peer: Peer) -> None:
        """The back-end greeted: it is up."""
        self.health.reached(endpoint.backend, peer.service)

    def missed(self, endpoint: Endpoint, peer: Peer, why: str) -> None:
        """The back-end could not be reached, or failed before any verdict."""
        self.health.missed(endpoint.backend, peer.service, peer.ip, why)

    def welcomed(self, peer: Peer, route: Route, seconds: float) -> None:
        """The log-in succeeded, at the store too, `seconds` after the client's command."""
        counters, (ok, total, buckets) = self.counters, _KEYS[peer.service]
        counters[ok] += 1
        counters[total] += seconds
        counters[buckets[bisect_left(LOGIN_SECONDS, seconds)]] += 1
        if self.failures:
            self.failures.succeeded(self._account(route.address))

    def refused(self, peer: Peer, credentials: Credentials | None, refusal: Refusal, elapsed: float) -> float:
        """Count a refusal. Returns how many seconds to hold the answer; `elapsed` of them are over already."""
        self._count(f"logins/{peer.service}/{refusal}")
        if not refusal.is_failure:
            return 0.0
        account, password = "", None
        if credentials is not None:
            account, password = self._account(credentials.name), credentials.password.reveal()
        if refusal is Refusal.BAD_CREDENTIALS and password:
            self.failures.rejected_after(elapsed)
        self.failures.failed(peer.ip, account, password)
        return self.failures.hold(peer.ip, account, elapsed)

    # --- for whoever composes a worker ------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The configuration now in force."""
        return self.watch.view.snapshot

    def tick(self) -> int:
        """Each second: see what changed in config.db. Returns the revision now served."""
        self._noted.clear()
        return self.watch.renew()

    def refresh(self, revision: int) -> int:
        """There is news up to `revision`. Returns the revision now served, less if it cannot be served yet."""
        return self.watch.revision if revision <= self.watch.revision else self.watch.renew()

    def may_log_in_clear(self, service: Service, ip: str) -> bool:
        """Whether a client of this address may log in without TLS."""
        return ip in self.watch.view.snapshot.services[service].clear_login_from

    def is_ours(self, ip: str, port: int) -> bool:
        """Whether this is a listener of this node: a back-end there would be a circle."""
        return is_ours(ip, port, self.watch.view.snapshot.listeners)

    def balancers(self, service: Service) -> Networks:
        """The networks whose connections begin with a PROXY header."""
        return self.watch.view.snapshot.services[service].proxy_protocol_from

    def promised(self, service: Service) -> frozenset[str]:
        """What every store of this service offers, as far as that is known of all."""
        return self.promises.of(self.watch.view.snapshot, service)

    def totals(self) -> Mapping[str, float]:
        """The counters since the worker began: name and values of the labels, with slashes."""
        accounts, opened = self.accounts, self.health.opened
        return {**self.counters, "hashes": accounts.hashes, "hashes_spared": accounts.hits, "breakers_opened": opened}

    # --- one decision -----------------------------------------------------------------------------------------

    def _asked_for(self, now: View, peer: Peer, credentials: Credentials) -> Name | Refused:
        """The order is the contract's: door, bans, name, permission; then password, map, store."""
        if not peer.secured:
            return Refused(Refusal.TLS_REQUIRED)
        name = decision.banned_address(now, peer.ip) or decision.named(now, credentials.name)
        if not isinstance(name, Name):
            return name
        if credentials.authzid and not self._is_same(now, name, credentials.authzid):
            return Refused(Refusal.NOT_PERMITTED, "may not act as another")
        if not credentials.password.reveal():
            return Refused(Refusal.BAD_CREDENTIALS, "empty password")  # some directories take it for anonymous
        return name

    def _decide(self, now: View, service: Service, name: Name, credentials: Credentials) -> Steps:
        """The rest of a decision that may have to wait: for a hash, or for a map."""
        account = None
        if now.snapshot.method != "backend":
            who = yield from self._authenticated(now, name, credentials)
            if isinstance(who, Refused):
                return who
            account, name = who, decision.identified(name, who)
        found = yield from now.chains[service].walk(name)
        return self._lead(now, service, name, credentials, account, found)

    def _authenticated(
        self, now: View, name: Name, credentials: Credentials
    ) -> Generator[Work, Any, Account | Refused]:
        """Check the password here. The account that was found is who this is; its mailbox is looked up, no other."""
        if unserved := decision.unserved(now):
            return unserved
        found = self.accounts.find(name)
        if isinstance(found, Unknown):
            return Refused(Refusal.TRY_LATER, found.reason)
        refused = yield from self.accounts.check(found, credentials.password.reveal())
        if refused is not None:
            return refused
        assert isinstance(found, Found)
        return found.value

    def _lead(
        self, now: View, service: Service, name: Name, credentials: Credentials, account: Account | None,
        found: Lookup[Hit],
    ) -> Route | Refused:  # fmt: skip
        """The way to the mailbox, from what the maps say. `account`: who it is, if that was found out here."""
        home = decision.placed(now, service, name, found)
        if not isinstance(home, Place):
            return home
        place = decision.serving(now, service, home)
        if not isinstance(place, Place):
            return place
        if place is not home:
            self._count(f"standby/{home.back_end.name}")
        if found is ABSENT:
            self._count(f"failover/{service}")
            _LOG.info("failover: %r is in no map of %s, goes to %s", name.whole, service, place.back_end.name)
        return place.back_end.route(service, decision.mailbox(place, account), credentials, place.source)

    def _go_on(self, steps: Steps, result: Any, answer: Answer) -> Verdict | None:
        """Run a decision until its verdict, or until it must wait for work in a thread."""
        try:
            work = steps.send(result)
        except StopIteration as end:
            return end.value if isinstance(end.value, Route) else self._refuse(end.value)
        if self._offload(work, lambda done: self._come_back(steps, done, answer)):
            return None
        steps.close()
        self._count("hash_refused")
        return self._refuse(Refused(Refusal.TRY_LATER, "too much work is waiting"))

    def _come_back(self, steps: Steps, result: Any, answer: Answer) -> None:
        if isinstance(result, BaseException):
            steps.close()
            answer(self._refuse(Refused(Refusal.TRY_LATER, f"work failed: {result!r}")))
        elif (verdict := self._go_on(steps, result, answer)) is not None:
            answer(verdict)

    def _refuse(self, refused: Refused) -> Refusal:
        """Log what an administrator can mend, once a second each."""
        if refused.refusal in _OURS_TO_MEND and refused.why not in self._noted:
            self._noted.add(refused.why)
            _LOG.warning("%s: %s", refused.refusal, refused.why)
        return refused.refusal

    def _is_same(self, now: View, name: Name, authzid: str) -> bool:
        other = now.snapshot.rules.normalise(authzid)
        return other is not None and other.folded() == name.folded()

    def _account(self, typed: str) -> str:
        """What failures of this name are counted by: tags and domain aliases are no way around it."""
        name = self.watch.view.snapshot.rules.normalise(typed)
        return (name.untagged or name.whole) if name else ""

    def _changed(self, snapshot: Snapshot) -> None:
        """A configuration comes into force."""
        self.health.limits = self.failures.limits = snapshot.limits
        self.health.keep_only(snapshot.back_ends)
        self.accounts.keep_seconds = snapshot.limits.success_cache_seconds

    def _count(self, name: str) -> None:
        self.counters[name] += 1
