"""What a mail store says it offers, in words: of what all stores offer, clients are told before theirs is known.

Must never believe more than the store said in a form that its protocol gives: what is not understood is not offered.
IMAP RFC 9051, 7.1 and 7.2.2; POP3 RFC 2449, 5; ManageSieve RFC 5804, 1.7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from appliance.terms import Service

_IMAP: Final = re.compile(rb"\[CAPABILITY ([^]\r\n]*)\]", re.I)
_SIEVE: Final = re.compile(rb'^"(SIEVE|NOTIFY|MAXREDIRECTS)" "([ !#-[\]-~]*)"\s*$', re.I | re.M)


def offers(service: str, heard: bytes) -> str:
    """The words in what a store said, "IMAP4REV1 IDLE" or "SIEVE=fileinto NOTIFY=mailto"; empty if it says none."""
    found = _FOUND.get(service)
    words = found(heard) if found is not None else []
    return b" ".join(words).decode("ascii", "ignore")


def _imap(heard: bytes) -> list[bytes]:
    volunteered = _IMAP.search(heard)
    return volunteered[1].upper().split() if volunteered else []


def _pop3(heard: bytes) -> list[bytes]:
    """The first word of each line behind the +OK; of SASL, each mechanism as "SASL=PLAIN".

    A store that knows no CAPA is one of RFC 1939.
    """
    ok, *lines = heard.upper().splitlines() or [b""]
    if ok[:4] == b"-ERR":
        return [b"USER"]
    named = [line.split() for line in lines if line.split() not in ([], [b"."])] if b"." in lines else []
    return [word for name, *words in named for word in ([b"SASL=" + of for of in words] if name == b"SASL" else [name])]


def _sieve(heard: bytes) -> list[bytes]:
    """The words of each line with its name before them. Those of SIEVE are case-sensitive (RFC 5228, 6)."""
    return [b"%b=%b" % (name.upper(), word) for name, words in _SIEVE.findall(heard) for word in words.split()]


_FOUND: Final[Mapping[str, Callable[[bytes], list[bytes]]]] = {
    Service.IMAP: _imap,
    Service.POP3: _pop3,
    Service.SIEVE: _sieve,
}
