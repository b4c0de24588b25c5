"""Passwords at rest: verify every scheme found in real user databases, make one: argon2id.

Must never take an error for a wrong password: a scheme that is not known, or a hash that is damaged, raises
UnknownScheme. Everything here burns CPU and belongs in a thread (the C libraries let go of the interpreter).
RFC 9106 (argon2), RFC 5803 (SCRAM at rest), RFC 2307 ({CRYPT}, {SSHA}).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from typing import Final

from appliance.routing import schemes
from appliance.routing.schemes import UnknownScheme

LONGEST: Final = 4096  # octets of a password that are worth hashing
MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
LANES: Final = 1
OURS: Final = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$"
# What an absent account's password is compared with, to last as long: the hash of octets nobody kept.
NOBODY: Final = OURS + "Bdo5+SCNpSP4iuV4eM11mQ$aVAPXRaktN6gtJtmz6xLZ+FO9Pyyw9uuo3c8dRsI5M4"

_BRACED: Final = re.compile(r"\{([A-Za-z0-9.-]{1,32})\}(.*)", re.DOTALL)
_Verify = Callable[[str, bytes], bool]

# by {NAME}: what follows the brace is given on
_BY_NAME: Final[dict[str, _Verify]] = {
    "SHA": schemes.digest("sha1"),
    "SSHA": schemes.digest("sha1"),
    "MD5": schemes.digest("md5"),
    "LDAP-MD5": schemes.digest("md5"),
    "SMD5": schemes.digest("md5"),
    "SHA256": schemes.digest("sha256"),
    "SSHA256": schemes.digest("sha256"),
    "SHA512": schemes.digest("sha512"),
    "SSHA512": schemes.digest("sha512"),
    "PBKDF2-SHA256": schemes.pbkdf2_sha256,
    "SCRAM-SHA-256": schemes.scram_sha256,
}
# {NAME} that only announces one of _BY_PREFIX
_WRAPPERS: Final = frozenset({"CRYPT", "MD5-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "BLF-CRYPT", "ARGON2I", "ARGON2ID"})
_BY_PREFIX: Final[dict[str, _Verify]] = {
    "$argon2id$": schemes.argon2,
    "$argon2i$": schemes.argon2,
    "$2a$": schemes.bcrypt,
    "$2b$": schemes.bcrypt,
    "$2y$": schemes.bcrypt,
    "$1$": schemes.libcrypt,
    "$5$": schemes.libcrypt,
    "$6$": schemes.libcrypt,
    "$y$": schemes.libcrypt,
    "$pbkdf2-sha256$": schemes.pbkdf2_sha256,
    "pbkdf2_sha256$": schemes.pbkdf2_sha256_django,
}
_PLAIN: Final = frozenset({"PLAIN", "CLEARTEXT"})


def verify(stored: str, password: bytes, *, plain: bool = False) -> bool:
    """Whether `password` is the one. `plain`: {PLAIN} and {CLEARTEXT} are accepted (never for our own accounts).

    Raises UnknownScheme: an outage of this account, not a wrong password.
    """
    check, rest = _find(stored)
    if check is None:
        if not plain:
            raise UnknownScheme("a password in the clear is not accepted here")
        return hmac.compare_digest(rest.encode(), password)
    return len(password) <= LONGEST and check(rest, password)


def hash(password: bytes) -> str:  # noqa: A001 - the field's word
    """A new hash: argon2id, m = 19 MiB, t = 2, p = 1. 20 ms or so."""
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES).hash(password)


def needs_rehash(stored: str) -> bool:
    """Whether `stored` is of another scheme, or weaker, than what `hash` makes."""
    return not stored.startswith(OURS)


def is_known(stored: str) -> bool:
    """Whether `stored` is a hash that `verify` understands: its scheme, and its parts as far as can be seen."""
    try:
        check, rest = _find(stored)
        return check is not None and schemes.is_whole(check, rest)
    except UnknownScheme:
        return False


def verify_nobody(password: bytes) -> None:
    """Take the time of a verification, for an account that does not exist (CWE-208)."""
    verify(NOBODY, password)


def _find(stored: str) -> tuple[_Verify | None, str]:
    """The scheme's check and what to give it; None for a password in the clear."""
    name, rest = "", stored
    if braced := _BRACED.fullmatch(stored):
        name, rest = braced[1].upper(), braced[2]
    if name in _PLAIN:
        return None, rest
    if name in _BY_NAME:
        return _BY_NAME[name], rest
    if not name or name in _WRAPPERS:
        for prefix, check in _BY_PREFIX.items():
            if rest.startswith(prefix):
                return check, rest
    # never a part of the text itself: it may be a password that somebody stored in the clear
    raise UnknownScheme(f"password scheme {{{name}}} is not known" if name else "this is no password hash we know")
