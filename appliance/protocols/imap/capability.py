"""A store's capabilities and response codes: found in what it says, looked up, and cleaned for the client.

Pure. Must never pass on what leads past us, or what only held before log-in.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from appliance.protocols.lines import printable

WORDS: Final = b"Logged in"  # for a store that has none

# Not passed on after log-in: of no use any more, or would lead past us (UNAUTHENTICATE leaves the pipe at this store).
HIDDEN: Final = frozenset((b"STARTTLS", b"LOGINDISABLED", b"UNAUTHENTICATE", b"MULTIPLEX", b"MAILBOX-REFERRALS"))


def ok_text(text: bytes) -> tuple[bytes, bytes]:
    """The capabilities that the text of an OK volunteers, or nothing; and its words, without any code."""
    text = text.strip()
    if text[:1] != b"[":
        return b"", text or WORDS
    inside, _, words = text[1:].partition(b"]")
    found = inside[11:] if inside[:11].upper() == b"CAPABILITY " else b""
    return found, words.strip() or WORDS


def said(line: bytes) -> str:
    """A store's words for the log."""
    return printable(line.strip()).decode("ascii")


def code_name(text: bytes) -> bytes:
    """The name of the response code a text begins with."""
    if text[:1] != b"[":
        return b""
    inner = text[1:].partition(b"]")[0].split(None, 1)
    return inner[0].upper() if inner else b""


@lru_cache(64)
def offers(capability: bytes) -> frozenset[bytes]:
    """Capabilities to look things up in. Stores repeat themselves: one reading serves many log-ins, here and below."""
    return frozenset(capability.upper().split())


@lru_cache(64)
def cleaned(capability: bytes) -> bytes:
    """What a client may see of a store's capabilities once it is logged in."""
    kept = [
        word
        for word in capability.split()
        if word.upper() not in HIDDEN and not word.upper().startswith(b"AUTH=") and word.isascii()
    ]
    return b" ".join(kept) or b"IMAP4rev1"
