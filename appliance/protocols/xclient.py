"""XCLIENT: tells a POP3 or ManageSieve store who comes to it through us, as IMAP's ID does (Dovecot's own command).

Pure. Must never tell a store what it did not ask for, nor anything that a client said: the address is the kernel's or
a PROXY header's, checked there. Only to be said where a store offers it: it does so to those it trusts (Dovecot's
login_trusted_networks). Both protocols take it in the same words: atoms, which ManageSieve must not quote.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from appliance.protocols.conversation import Door
from appliance.terms import Route

DOVECOT: Final = frozenset({b"ADDR", b"PORT", b"SESSION", b"TTL"})  # what it takes: it names none in its offer


def introduction(door: Door, route: Route, listed: Collection[bytes] = ()) -> bytes:
    """The command, with its line ending; empty if this store is to be told nothing. It answers one OK or +OK.

    `listed`: the attributes that came with the store's offer, in capital letters; none: those of Dovecot. The line
    is short: 1024 octets are the most that Dovecot takes, and no attribute is longer than an IPv6 address.
    """
    if route.endpoint.client_address != "native":
        return b""
    told = {
        b"ADDR": door.client_ip.encode(),  # IPv6 as it is: SMTP's prefix "IPV6:" is not known here
        b"PORT": b"%d" % door.client_port if door.client_port else b"",  # a load balancer may not know it; 0 is refused
        b"SESSION": door.session.encode(),
        b"TTL": b"%d" % (door.ttl - 1),
    }
    taken = [b"%b=%b" % pair for pair in told.items() if pair[1] and pair[0] in (listed or DOVECOT)]
    return b"XCLIENT %b\r\n" % b" ".join(taken) if taken else b""
