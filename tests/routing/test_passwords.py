"""Password schemes, against hashes made by other programs, and what must never pass for a wrong password."""

from __future__ import annotations

import base64
import hashlib
import hmac

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from passlib import hash as passlib

from appliance.routing import passwords
from appliance.routing.schemes import UnknownScheme

PASSWORD = b"s3cret \xc3\xa9"


def _scram(password: bytes) -> str:
    """As `doveadm pw -s SCRAM-SHA-256` makes it."""
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    keys = (salt, stored, hmac.digest(salted, b"Server Key", "sha256"))
    return "{SCRAM-SHA-256}4096," + ",".join(base64.b64encode(key).decode() for key in keys)


def _salted(name: str, algorithm: str, salt: bytes = b"pepper") -> str:
    octets = hashlib.new(algorithm, PASSWORD + salt).digest() + salt
    return f"{{{name}}}{base64.b64encode(octets).decode()}"


_SHA512 = passlib.sha512_crypt.using(rounds=5000).hash(PASSWORD)
_BCRYPT = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(4)).decode()
STORED = {
    "ours": passwords.hash(PASSWORD),
    "argon2id of others": passlib.argon2.using(memory_cost=1024, rounds=1).hash(PASSWORD),
    "ARGON2ID": "{ARGON2ID}" + passlib.argon2.using(memory_cost=1024, rounds=1).hash(PASSWORD),
    "argon2i": passlib.argon2.using(memory_cost=1024, rounds=1, type="I").hash(PASSWORD),
    "SHA": passlib.ldap_sha1.hash(PASSWORD),
    "SSHA": passlib.ldap_salted_sha1.hash(PASSWORD),
    "small letters": _salted("ssha256", "sha256"),
    "SMD5": passlib.ldap_salted_md5.hash(PASSWORD),
    "MD5": passlib.ldap_md5.hash(PASSWORD),
    "SSHA256": _salted("SSHA256", "sha256"),
    "SSHA512": _salted("SSHA512", "sha512"),
    "SHA512": _salted("SHA512", "sha512", b""),
    "$1$": passlib.md5_crypt.hash(PASSWORD),
    "$5$": passlib.sha256_crypt.using(rounds=5000).hash(PASSWORD),
    "$5$ rounds": passlib.sha256_crypt.using(rounds=1234).hash(PASSWORD),
    "$6$": _SHA512,
    "CRYPT $6$": "{CRYPT}" + _SHA512,
    "SHA512-CRYPT": "{SHA512-CRYPT}" + _SHA512,
    "$2b$": _BCRYPT,
    "$2y$": _BCRYPT.replace("$2b$", "$2y$"),
    "$2a$": _BCRYPT.replace("$2b$", "$2a$"),
    "BLF-CRYPT": "{BLF-CRYPT}" + _BCRYPT.replace("$2b$", "$2y$"),
    "CRYPT $2y$": "{CRYPT}" + _BCRYPT.replace("$2b$", "$2y$"),
    "pbkdf2 of passlib": passlib.pbkdf2_sha256.using(rounds=1000).hash(PASSWORD),
    "PBKDF2-SHA256": passlib.ldap_pbkdf2_sha256.using(rounds=1000).hash(PASSWORD),
    "Django": passlib.django_pbkdf2_sha256.using(rounds=1000).hash(PASSWORD),
    "SCRAM-SHA-256": _scram(PASSWORD),
}


def _yescrypt() -> str:
    """Made by libcrypt itself: nothing else here can."""
    import ctypes

    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype, crypt.argtypes = ctypes.c_char_p, (ctypes.c_char_p, ctypes.c_char_p)
    made: bytes = crypt(PASSWORD, b"$y$j75$saltsaltsalt$")
    return made.decode()


STORED["yescrypt"] = _yescrypt()


@pytest.mark.parametrize("scheme", STORED)
def test_right_and_wrong(scheme: str) -> None:
    stored = STORED[scheme]
    assert passwords.verify(stored, PASSWORD)
    assert not passwords.verify(stored, PASSWORD + b"x")
    assert not passwords.verify(stored, b"")
    assert not passwords.verify(stored, PASSWORD + b"\0x"), "a NUL must not end the comparison"
    assert passwords.is_known(stored)
    assert passwords.needs_rehash(stored) == (scheme != "ours")


def test_known_answers_of_others() -> None:
    assert passwords.verify("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", b"secret")
    sha_crypt = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"  # of the specification of SHA-crypt
    assert passwords.verify(sha_crypt, b"Hello world!")


def test_bcrypt_counts_72_octets() -> None:
    stored = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert passwords.verify(stored, b"x" * 100)
    assert not passwords.verify(stored, b"x" * 71)


def test_very_long_passwords_are_wrong_not_trouble() -> None:
    for stored in STORED.values():
        assert not passwords.verify(stored, b"x" * 5000)
    assert not passwords.verify(STORED["$6$"], b"x" * 600)


def test_clear_passwords_only_where_allowed() -> None:
    for stored in ("{PLAIN}secret", "{CLEARTEXT}secret", "{plain}secret"):
        assert passwords.verify(stored, b"secret", plain=True)
        assert not passwords.verify(stored, b"Secret", plain=True)
        assert not passwords.is_known(stored)
        with pytest.raises(UnknownScheme):
            passwords.verify(stored, b"secret")


@pytest.mark.parametrize(
    "stored",
    [
        "", "secret", "{}", "{SSHA", "{SSHA}", "{SSHA}!!!", "{SSHA}c2hvcnQ=", "{NTLM}0123", "{CRYPT}",
        "{CRYPT}abJnggxhB/yWI",
        "$6$", "$9$x$y", "$2y$05$short", "$2y$31$" + "a" * 53, "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA",
        "$argon2id$v=19$m=999999999,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "$6$rounds=999999999$salt$hash",
        "{PBKDF2-SHA256}1000$abc", "{PBKDF2-SHA256}0$c2FsdA$aGFzaGhhc2hoYXNoaGFzaA",
        "{PBKDF2-SHA256}99999999999$c2FsdA$aGFzaGhhc2hoYXNoaGFzaA", "{SCRAM-SHA-256}4096,x",
        "{SCRAM-SHA-256}x,eA,eA,eA", "pbkdf2_sha256$1000$salt", "$5$\udcff$x",
    ],
)  # fmt: skip
def test_what_is_damaged_is_unknown_never_wrong(stored: str) -> None:
    with pytest.raises(UnknownScheme):
        passwords.verify(stored, b"secret")


@given(st.text() | st.from_regex(r"(\{[A-Z0-9-]{1,14}\})?[$./A-Za-z0-9,=+]{0,60}"))
def test_no_stored_text_breaks_it(stored: str) -> None:
    assert isinstance(passwords.is_known(stored), bool)
    try:
        passwords.verify(stored, b"secret")
    except UnknownScheme as error:
        assert "$" not in stored or stored not in str(error)


def test_an_unknown_text_is_not_repeated() -> None:
    with pytest.raises(UnknownScheme) as caught:
        passwords.verify("hunter2$", b"x")
    assert "hunter2" not in str(caught.value)


def test_nobody_costs_what_somebody_costs() -> None:
    assert passwords.NOBODY.startswith(passwords.OURS) and passwords.is_known(passwords.NOBODY)
    passwords.verify_nobody(b"whatever")
