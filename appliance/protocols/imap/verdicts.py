"""What a store's greeting or answer means for the client: its refusal, and whose words tell it.

Pure. Must never pass on a store's referral, nor blame the client for how we came to the store. RFC 5530; RFC 9051, 7.1.
"""

from __future__ import annotations

from typing import Final

from appliance.protocols.handover import Turned, down
from appliance.protocols.imap.capability import code_name, said
from appliance.protocols.lines import printable
from appliance.terms import Refusal

# A store's NO with one of these codes keeps it, and its words: it speaks of something other than the password.
KEPT: Final = {
    b"LIMIT": Refusal.LIMIT,
    b"INUSE": Refusal.TRY_LATER,
    b"UNAVAILABLE": Refusal.TRY_LATER,
    b"EXPIRED": Refusal.EXPIRED,
    b"CONTACTADMIN": Refusal.BACKEND_REFUSED,
}
# With one of these, our own words: the store speaks of how *we* came to it, which is not the client's to solve.
OURS: Final = {
    b"PRIVACYREQUIRED": Refusal.MISCONFIGURED,
    b"SERVERBUG": Refusal.BACKEND_REFUSED,
    b"REFERRAL": Refusal.BACKEND_REFUSED,  # RFC 2221: the map decides where a mailbox is, and nobody else
    b"AUTHORIZATIONFAILED": Refusal.NOT_PERMITTED,
}


def unwelcome(greeting: bytes) -> Turned:
    """A greeting other than OK (RFC 9051, 7.1.4 and 7.1.5)."""
    kind = greeting[:9].upper()
    if kind[:5] == b"* BYE":
        return down(said(greeting))
    if kind == b"* PREAUTH":
        return Turned(Refusal.MISCONFIGURED, "the store greets as already logged in: " + said(greeting))
    return Turned(Refusal.MISCONFIGURED, "the store does not speak IMAP: " + said(greeting))


def refused(line: bytes, *, judged: bool, master: bool) -> Turned:
    """What a NO or BAD means. A BAD that answers a password is a rejection of it, too.

    If the password was not sent yet, or is a master user's, the client's own was not what the store disliked.
    """
    text = line[6:].strip()
    kept = code_name(text)
    why = said(line)
    if kept in KEPT:
        return Turned(KEPT[kept], why, b"NO [%b] %b" % (kept, printable(text.partition(b"]")[2]) or b"Refused"))
    if not judged or master:
        return Turned(OURS.get(kept, Refusal.BACKEND_REFUSED), why)
    return Turned(OURS.get(kept, Refusal.BAD_CREDENTIALS), why)
