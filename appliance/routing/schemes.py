"""One function for each family of password hashes: hash text (without {NAME}) and password to yes or no.

Must never guess: text that is not whole raises UnknownScheme. Costs are bounded, so that a hash made elsewhere, with
absurd parameters, cannot hold a thread or take the memory. Libraries are loaded when first needed.
"""

from __future__ import annotations

import base64
import binascii
import ctypes
import hashlib
import hmac
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

ARGON2_MEMORY_KIB: Final = 1 << 20
ARGON2_PASSES: Final = 64
BCRYPT_COST: Final = 16
SHA_CRYPT_ROUNDS: Final = 2_000_000
PBKDF2_ROUNDS: Final = 5_000_000
BCRYPT_OCTETS: Final = 72  # bcrypt never saw more; its library refuses longer ones instead of cutting
CRYPT_OCTETS: Final = 511  # CRYPT_MAX_PASSPHRASE_SIZE - 1
CRYPT_DATA: Final = 32768  # sizeof (struct crypt_data)


class UnknownScheme(ValueError):  # noqa: N818 - an outage of one account, not an error of ours
    """This hash cannot be checked here: unknown scheme, damaged text, or beyond the cost we are willing to pay."""


Verify = Callable[[str, bytes], bool]


def digest(algorithm: str) -> Verify:
    """{SHA}, {SSHA} and their kind: base64 of digest, salt."""
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size

    def check(text: str, password: bytes) -> bool:
        octets = _base64(text)
        if len(octets) < size:
            raise UnknownScheme("the hash is too short")
        made = hashlib.new(algorithm, password + octets[size:], usedforsecurity=False).digest()
        return hmac.compare_digest(made, octets[:size])

    return check


def argon2(text: str, password: bytes) -> bool:
    """$argon2id$, $argon2i$ (RFC 9106)."""
    from argon2 import low_level
    from argon2.exceptions import Argon2Error, VerifyMismatchError

    found = _ARGON2.match(text)
    if found is None or int(found[2]) > ARGON2_MEMORY_KIB or int(found[3]) > ARGON2_PASSES:
        raise UnknownScheme("an argon2 hash of parameters beyond bounds")
    kind = low_level.Type.ID if found[1] == "id" else low_level.Type.I
    try:
        return low_level.verify_secret(text.encode(), password, kind)
    except VerifyMismatchError:
        return False
    except (Argon2Error, UnicodeError) as error:
        raise UnknownScheme(f"argon2: {error}") from error


def bcrypt(text: str, password: bytes) -> bool:
    """$2a$, $2b$, $2y$: the first 72 octets of the password count, as they always did."""
    found = _BCRYPT.fullmatch(text)
    if found is None or int(found[1]) > BCRYPT_COST:
        raise UnknownScheme("no whole bcrypt hash, or its cost is beyond bounds")
    import bcrypt as library

    try:
        return library.checkpw(password[:BCRYPT_OCTETS], text.encode())
    except ValueError as error:
        raise UnknownScheme(f"bcrypt: {error}") from error


def libcrypt(text: str, password: bytes) -> bool:
    """$1$, $5$, $6$ and yescrypt's $y$, by the system's libcrypt: what made them verifies them."""
    rounds = _ROUNDS.search(text)
    if _CRYPT.fullmatch(text) is None or (rounds and int(rounds[1]) > SHA_CRYPT_ROUNDS):
        raise UnknownScheme("no whole crypt hash, or its rounds are beyond bounds")
    if b"\0" in password or len(password) > CRYPT_OCTETS:
        return False  # no such password could have been set; C would compare less than was typed
    made = _crypt_rn()(password, text.encode(), ctypes.create_string_buffer(CRYPT_DATA), CRYPT_DATA)
    if made is None:
        raise UnknownScheme("libcrypt does not know this hash")
    return hmac.compare_digest(made, text.encode())


def pbkdf2_sha256(text: str, password: bytes) -> bool:
    """ROUNDS$SALT$DIGEST in adapted base64 ("." for "+", no padding), with or without $pbkdf2-sha256$ before it."""
    parts = text.removeprefix("$pbkdf2-sha256$").split("$")
    if len(parts) != 3:
        raise UnknownScheme("no whole pbkdf2 hash")
    salt, wanted = (_base64(part.replace(".", "+")) for part in parts[1:])
    return _pbkdf2(password, salt, parts[0], wanted)


def pbkdf2_sha256_django(text: str, password: bytes) -> bool:
    """pbkdf2_sha256$ROUNDS$SALT$DIGEST: the salt is text, the digest ordinary base64."""
    parts = text.split("$")
    if len(parts) != 4:
        raise UnknownScheme("no whole pbkdf2 hash")
    return _pbkdf2(password, parts[2].encode(), parts[1], _base64(parts[3]))


def scram_sha256(text: str, password: bytes) -> bool:
    """ITERATIONS,SALT,STORED-KEY,SERVER-KEY, as Dovecot keeps it (RFC 5802, section 3)."""
    parts = text.split(",")
    if len(parts) != 4:
        raise UnknownScheme("no whole SCRAM hash")
    salt, stored_key, _ = (_base64(part) for part in parts[1:])
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, _rounds(parts[0]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), stored_key)


def is_whole(check: Verify, text: str) -> bool:
    """Whether `text` has all the parts that `check` needs, without hashing anything where that is dear."""
    if check is argon2:
        return _ARGON2.match(text) is not None
    if check is bcrypt:
        return _BCRYPT.fullmatch(text) is not None
    if check is libcrypt:
        return _CRYPT.fullmatch(text) is not None
    if check in (pbkdf2_sha256, pbkdf2_sha256_django, scram_sha256):
        separator = "," if check is scram_sha256 else "$"
        return len(text.removeprefix("$pbkdf2-sha256$").split(separator)) == (3 if check is pbkdf2_sha256 else 4)
    check(text, b"")  # the cheap ones just try: UnknownScheme if not whole
    return True


_ARGON2: Final = re.compile(r"\$argon2(id|i)\$v=\d+\$m=(\d{1,9}),t=(\d{1,9}),p=\d{1,3}(?:\$[A-Za-z0-9+/]+){2}\Z")
_BCRYPT: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_CRYPT: Final = re.compile(r"\$(?:1|5|6|y)\$[!-~]+")
_ROUNDS: Final = re.compile(r"\$rounds=(\d{1,12})\$")


def _pbkdf2(password: bytes, salt: bytes, rounds: str, wanted: bytes) -> bool:
    if len(wanted) < 16:
        raise UnknownScheme("the hash is too short")
    made = hashlib.pbkdf2_hmac("sha256", password, salt, _rounds(rounds), len(wanted))
    return hmac.compare_digest(made, wanted)


def _rounds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:12]) <= PBKDF2_ROUNDS or len(text) > 12:
        raise UnknownScheme("rounds beyond bounds")
    return int(text)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnknownScheme("the hash is no base64") from error


@cache
def _crypt_rn() -> Any:
    try:
        function = ctypes.CDLL("libcrypt.so.1").crypt_rn
    except (OSError, AttributeError) as error:
        raise UnknownScheme("this system has no libcrypt") from error
    function.restype = ctypes.c_char_p
    function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
    return function
