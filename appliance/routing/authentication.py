"""Internal accounts: is this the password? Hashes are computed in threads; one that was right is remembered a while.

Must never take an outage for a wrong password, nor keep a password: what is remembered is a digest under a key of this
process, over account, stored hash and password, so that a changed password is unknown to the memory at once. An absent
account costs the same hash as a present one.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Generator
from functools import partial
from hashlib import blake2b
from typing import Any, Final

import msgspec

from appliance.routing import passwords
from appliance.routing.names import Name
from appliance.routing.schemes import UnknownScheme
from appliance.routing.tables import Tables
from appliance.routing.usermap import Work
from appliance.terms import ABSENT, Absent, Found, Lookup, Refusal
from db.accounts import Account

REMEMBERED: Final = 16384  # right passwords
OnRehash = Callable[[str, str, str], None]  # address, old hash, new hash


class Refused(msgspec.Struct, frozen=True):
    """A refusal and, for the log, why: names what is wrong, never a secret."""

    refusal: Refusal
    why: str = ""


class Verified(msgspec.Struct, frozen=True):
    """What a thread found out. `new`: the hash to replace an old one, if the password was right."""

    right: bool
    new: str = ""
    problem: str = ""


class Accounts:
    """The internal accounts, and the passwords that were right of late."""

    def __init__(self, tables: Tables, on_rehash: OnRehash, clock: Callable[[], float] = time.monotonic) -> None:
        self.keep_seconds = 300.0
        self.hashes = 0  # computed
        self.hits = 0  # spared
        self._tables = tables
        self._on_rehash = on_rehash
        self._clock = clock
        self._key = os.urandom(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()

    def find(self, name: Name) -> Lookup[Account]:
        """The account of a name: the whole, then without its tag. Accounts do not tell `Maria` from `maria`."""
        name = name.folded()
        found = self._tables.account(name.whole)
        return self._tables.account(name.untagged) if found is ABSENT and name.untagged else found

    def check(self, found: Found[Account] | Absent, password: bytes) -> Generator[Work, Any, Refused | None]:
        """None if the password is right and the account may log in. Yields the hashing, to be done in a thread."""
        if isinstance(found, Absent):
            self.hashes += 1
            yield partial(passwords.verify_nobody, password)
            return Refused(Refusal.UNKNOWN_HERE, "no such account")
        account = found.value
        digest = self._digest(account, password)
        if not self._is_remembered(digest):
            self.hashes += 1
            verified: Verified = yield partial(verify, account.password, password)
            if verified.problem:
                return Refused(Refusal.MISCONFIGURED, f"account {account.address}: {verified.problem}")
            if not verified.right:
                return Refused(Refusal.BAD_CREDENTIALS, "wrong password")
            self._remember(digest)
            if verified.new:
                self._on_rehash(account.address, account.password, verified.new)
        return disabled(account)

    def _digest(self, account: Account, password: bytes) -> bytes:
        said = f"{account.address}\0{account.password}\0".encode()
        return blake2b(said + password, key=self._key, digest_size=16).digest()

    def _is_remembered(self, digest: bytes) -> bool:
        until = self._right.get(digest)
        if until is None or until <= self._clock():
            return False
        self.hits += 1
        return True

    def _remember(self, digest: bytes) -> None:
        self._right[digest] = self._clock() + self.keep_seconds
        self._right.move_to_end(digest)
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)


def disabled(account: Account) -> Refused | None:
    """Whether the account may not log in, whatever the password."""
    return None if account.state == "on" else Refused(Refusal.DISABLED, f"the account is {account.state}")


def verify(stored: str, password: bytes) -> Verified:
    """In a thread: is it right, and what should the hash be by now?"""
    try:
        if not passwords.verify(stored, password):
            return Verified(False)
    except UnknownScheme as error:
        return Verified(False, problem=str(error))
    return Verified(True, passwords.hash(password) if passwords.needs_rehash(stored) else "")
