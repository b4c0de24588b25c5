"""What a store's greeting or answer means for the client: its refusal, and whose words tell it.

Pure. Must never turn a locked mailbox into a wrong password, nor blame the client for how we came to the store.
RFC 2449, 8; RFC 3206.
"""

from __future__ import annotations

from typing import Final

from appliance.protocols.handover import Turned, down
from appliance.protocols.lines import printable
from appliance.protocols.pop3.grammar import code_of, said, words_of
from appliance.terms import Refusal

# A store's -ERR with one of these codes keeps it, and its words: it speaks of something other than the password.
KEPT: Final = {
    b"IN-USE": Refusal.TRY_LATER,
    b"LOGIN-DELAY": Refusal.LIMIT,
    b"SYS/TEMP": Refusal.TRY_LATER,
    b"SYS/PERM": Refusal.BACKEND_REFUSED,
}


def unwelcome(greeting: bytes) -> Turned:
    """A greeting other than +OK: a store that cannot serve now, or none at all."""
    if greeting[:4].upper() == b"-ERR":
        return down(said(greeting))
    return Turned(Refusal.MISCONFIGURED, "the store does not speak POP3: " + said(greeting))


def refused(line: bytes, *, judged: bool, master: bool) -> Turned:
    """What an -ERR means.

    If the password was not sent yet, or is a master user's, the client's own was not what the store disliked.
    """
    words, why = words_of(line), said(line)
    kept = KEPT.get(code_of(words))
    if kept is not None:
        return Turned(kept, why, printable(words))
    return Turned(Refusal.BACKEND_REFUSED if not judged or master else Refusal.BAD_CREDENTIALS, why)
