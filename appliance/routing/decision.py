"""The questions that every log-in asks, in order: is it allowed in, where does the mailbox live, is the store up.

Each is a function of its own; routing.admission runs them for a session, routing.explain for an administrator, so the
two cannot drift apart. Must never open a socket or wait. Every log-in pays for each of them.
"""

from __future__ import annotations

import msgspec

from appliance.routing.authentication import Refused
from appliance.routing.backends import BackEnd
from appliance.routing.bans import Bans
from appliance.routing.health import Health
from appliance.routing.names import Name
from appliance.routing.snapshot import Snapshot
from appliance.routing.tables import Tables
from appliance.routing.usermap import Chain, Hit, chain
from appliance.terms import Absent, Found, Lookup, Refusal, Service
from db.accounts import Account


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a mailbox lives, and who says so."""

    back_end: BackEnd
    address: str
    source: str


class View(msgspec.Struct, frozen=True):
    """Everything a decision looks at. Replaced as a whole; a decision under way keeps the one it began with."""

    snapshot: Snapshot
    chains: dict[Service, Chain]
    bans: Bans
    health: Health


def view(snapshot: Snapshot, tables: Tables, bans: Bans, health: Health) -> View:
    """The view of a snapshot, its chains of maps ready to be asked."""
    chains = {service: chain(of.chain, snapshot.maps, tables) for service, of in snapshot.services.items()}
    return View(snapshot, chains, bans, health)


def banned_address(now: View, ip: str) -> Refused | None:
    """Whether the client's address is refused."""
    bans = now.bans
    return Refused(Refusal.BANNED, "address is banned") if bans.has_addresses and bans.address(ip) else None


def named(now: View, typed: str) -> Name | Refused:
    """The name that was meant, if it can be anybody's and is not banned."""
    name = now.snapshot.rules.normalise(typed)
    if name is None:
        return Refused(Refusal.UNKNOWN_HERE, "no possible name")
    bans = now.bans
    if bans.has_accounts and (bans.account(name.whole) or (name.untagged and bans.account(name.untagged))):
        return Refused(Refusal.BANNED, "account is banned")
    return name


def unserved(now: View) -> Refused | None:
    """Whether nobody here can check a password by the method that is configured."""
    method = now.snapshot.method
    if method in ("internal", "backend"):
        return None
    return Refused(Refusal.TRY_LATER, f"auth method {method} is not served by this release")


def placed(now: View, service: Service, name: Name, found: Lookup[Hit]) -> Place | Refused:
    """The back-end that the maps' answer means. Failover serves those who are in no map, and nobody else."""
    if isinstance(found, Found):
        hit = found.value
        back_end = now.snapshot.back_ends.get(hit.back_end)
        if back_end is None:
            why = f"{hit.source}: the entry of {hit.entry!r} names {hit.back_end!r}, which is no back-end"
            return Refused(Refusal.MISCONFIGURED, why)
        return Place(back_end, hit.key, hit.source)
    if isinstance(found, Absent):
        failover = now.snapshot.services[service].failover
        if not failover:
            return Refused(Refusal.UNKNOWN_HERE, "in no map")
        return Place(now.snapshot.back_ends[failover], name.folded().whole, "failover")
    return Refused(Refusal.TRY_LATER, found.reason)


def identified(name: Name, account: Account) -> Name:
    """The name to look up for somebody who logs in as this account: with the tag only if the account has it."""
    return name if name.folded().whole == account.address else Name(name.untagged, "", name.domain)


def mailbox(place: Place, account: Account | None) -> str:
    """Whose mailbox is opened: an account's own, whatever entry of a map led to it."""
    if account is None or place.address.lower() == account.address:
        return place.address
    return account.address


def serving(now: View, service: Service, place: Place, *, trial: bool = True) -> Place | Refused:
    """The back-end that serves right now: the mailbox's own or, while that is down or drained, its standby."""
    own = _problem(now, service, place.back_end, trial)
    if own is None:
        return place
    if own.refusal is not Refusal.BACKEND_DOWN:
        return own
    standby = now.snapshot.back_ends.get(place.back_end.standby)
    if standby is None:
        return own
    other = _problem(now, service, standby, trial)
    if other is None:
        return Place(standby, place.address, f"standby of {place.back_end.name}")
    return other if other.refusal is not Refusal.BACKEND_DOWN else Refused(own.refusal, f"{own.why}; {other.why}")


def _problem(now: View, service: Service, back_end: BackEnd, trial: bool) -> Refused | None:
    """Why this back-end cannot be used; None if it can."""
    if service not in back_end.endpoints:
        return Refused(Refusal.MISCONFIGURED, f"back-end {back_end.name} has no address for {service}")
    if service in back_end.loops:
        return Refused(Refusal.LOOP, f"back-end {back_end.name}: its {service} address is a listener of this node")
    if back_end.login.password is not None and now.snapshot.method == "backend":
        # Nobody would have checked the client's password: the master user's opens any mailbox.
        why = f"back-end {back_end.name} logs in by a master user, yet the back-end is to check passwords"
        return Refused(Refusal.MISCONFIGURED, why)
    if back_end.draining:
        return Refused(Refusal.BACKEND_DOWN, f"back-end {back_end.name} is being drained")
    if not now.health.usable(back_end.name, service, trial=trial):
        why, seconds = now.health.why(back_end.name, service)
        so_long = f" for {seconds:.0f} s" if seconds >= 1 else ""
        return Refused(Refusal.BACKEND_DOWN, f"back-end {back_end.name} is down{so_long}: {why}")
    return None
