"""Bans: who is refused for a time. Those from the console alone are made at its door, and lifted here as well."""

from __future__ import annotations

import ipaddress
import time
from datetime import UTC, datetime
from typing import BinaryIO, Final

from appliance.cluster.log import Op, put
from appliance.control.accountfile import address_of
from appliance.control.api import Done, Refused, Request
from appliance.control.api.bans import BanAdd, BanLift, BanList
from appliance.control.commands import OPERATOR, VIEWER, By, Command, Node
from appliance.routing.networks import client_key
from db import bans
from db.objects import Objects

LONGEST: Final = 10 * 365 * 86400.0  # seconds: what is to last longer is for good


def listed(node: Node, by: By, request: BanList, file: BinaryIO | None) -> Done:
    """Those that hold now."""
    rows = bans.active(node.reader(), time.time())
    return Done(
        [{"scope": ban.scope, "subject": ban.subject, "until": _when(ban.until), "reason": ban.reason} for ban in rows]
    )


def add(node: Node, by: By, request: BanAdd, file: BinaryIO | None) -> Done:
    """One more, or another end and reason for one there is."""
    scope, subject = subject_of(node.objects(), request.subject)
    if not 0 <= request.seconds <= LONGEST:
        raise Refused("a ban lasts 10 years at most, or until it is lifted")
    until = time.time() + request.seconds if request.seconds else 0.0
    known = bans.get(node.reader(), scope, subject)
    row = {"scope": scope, "subject": subject, "until": until, "reason": request.reason[:200]}
    done = node.change(
        by, f"ban add {subject}", [put("ban", row, ("scope", "subject"), known.rev if known else 0)]
    )
    return Done({"scope": scope, "subject": subject, "until": _when(until), **done.value}, done.note)


def lift(node: Node, by: By, request: BanLift, file: BinaryIO | None) -> Done:
    """Gone before its time."""
    scope, subject = subject_of(node.objects(), request.subject)
    same = {(scope, subject)} if scope == "account" else {(scope, subject), *_at_the_console(subject)}
    found = [ban for ban in bans.all(node.reader()) if (ban.scope, ban.subject) in same]
    if not found:
        raise Refused(f"there is no ban of {subject}")
    gone = [Op("ban", {"scope": ban.scope, "subject": ban.subject}, None, ban.rev) for ban in found]
    return node.change(by, f"ban lift {subject}", gone)


def _at_the_console(subject: str) -> set[tuple[str, str]]:
    """How an address may be banned from the console alone: itself, or the network that its clients are counted by."""
    return {("console", subject), ("console", client_key(subject))}


def subject_of(objects: Objects, typed: str) -> tuple[str, str]:
    """Scope and the one form of what is banned: an IP address or network, else an account. Raises Refused."""
    text = typed.strip()
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        if "/" in text:
            raise Refused(f"{text[:80]!r} is no network, like 192.0.2.0/24") from None
        return "account", address_of(objects, text)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped  # ::ffff:192.0.2.1 is 192.0.2.1, however it is written
        if mapped is not None:
            network = ipaddress.ip_network((int(mapped), network.prefixlen - 96), strict=False)
    if not network.prefixlen:
        raise Refused("that is the whole internet")
    single = network.prefixlen == network.max_prefixlen
    return "address", str(network.network_address if single else network)


def _when(until: float) -> str:
    return datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds") if until else ""


HANDLERS: Final[dict[type[Request], Command]] = {
    BanList: Command(listed, VIEWER),
    BanAdd: Command(add, OPERATOR),
    BanLift: Command(lift, OPERATOR),
}
