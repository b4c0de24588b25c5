"""Failed guesses: counted by client address and by account, answered ever later, and all after the same time.

Unknown, unmapped, disabled, banned and wrong must not be told apart by the clock (CWE-208): every such answer is held
until the same moment, counted from the attempt's beginning. Memory is bounded: what is oldest is forgotten first.
The services share the counts, and so do the node's workers, which tell each other what they saw: failures of an address
or account, guesses (so that a repetition is none at any worker), and who was forgiven.
Must never keep a password: a wrong one is remembered as a keyed digest, to know a client that only repeats itself.
"""

from __future__ import annotations

import os
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Final

from appliance.routing.networks import client_key
from appliance.terms import Limits

KEYS: Final = 32768  # addresses and accounts remembered
GUESSES: Final = 16384  # wrong passwords remembered
FORGET_SECONDS: Final = 900.0  # without another failure
REJECTIONS: Final = 32  # the last ones of the stores, whose median everybody waits for
JITTER_SECONDS: Final = 0.1

_SECRET: Final = os.urandom(32)  # made before the workers are forked: all of them know a guess by the same digest
_GUESS, _FORGIVEN = "guess", "forgiven"  # keys of what workers tell each other, beside "address" and "account"


class Failures:
    """This worker's counts, and what the node's other workers have counted."""

    def __init__(
        self,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = lambda: random.uniform(0, JITTER_SECONDS),  # noqa: S311 - noise, no secret
    ) -> None:
        self.limits = limits or Limits()
        self._clock = clock
        self._jitter = jitter
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()  # key: how many, when last
        self._guesses: OrderedDict[str, None] = OrderedDict()
        self._seen: dict[str, int] = {}
        self._rejections: deque[float] = deque(maxlen=REJECTIONS)

    def __bool__(self) -> bool:
        """Whether anything is counted at all."""
        return bool(self._counts)

    def failed(self, ip: str, account: str, password: bytes | None) -> None:
        """Count a wrong guess, unless the same wrong password was tried for the account before."""
        if password is not None and self._is_repeated(account, password):
            return
        for key in _keys(ip, account):
            self._count(key, 1)
            self._tell(key)

    def succeeded(self, account: str) -> None:
        """The account's owner got in: his typing errors are forgiven. The address's are not, he may guess others."""
        key = _account_key(account)
        if self._counts and self._counts.pop(key, (0, 0.0))[0]:
            self._seen.pop(key, None)
            self._tell(f"{_FORGIVEN} {key}")

    def rejected_after(self, seconds: float) -> None:
        """A store took this long to say no: others' refusals shall take as long."""
        self._rejections.append(seconds)

    def hold(self, ip: str, account: str, elapsed: float) -> float:
        """How many seconds a refusal must still wait, `elapsed` seconds after the attempt began."""
        rejections = sorted(self._rejections)
        until = max(self._delay(ip, account), rejections[len(rejections) // 2] if rejections else 0.0)
        return max(until + self._jitter() - elapsed, 0.0) if until else 0.0

    def seen(self) -> dict[str, int]:
        """What was seen here since this was last asked: for the node's other workers."""
        news, self._seen = self._seen, {}
        return news

    def add(self, failures: Mapping[str, int]) -> None:
        """What other workers saw, in the order they did."""
        for key, count in failures.items():
            sort, _, what = key.partition(" ")
            if sort == _GUESS:
                self._remember(what)
            elif sort == _FORGIVEN:
                self._counts.pop(what, None)
            else:
                self._count(key, count)

    def counts(self, ip: str, account: str) -> tuple[int, int]:
        """Failures of late: of the address, of the account."""
        address, user = (self._now(key) for key in (_address_key(ip), _account_key(account)))
        return address, user

    def _delay(self, ip: str, account: str) -> float:
        count = max([self._now(key) for key in _keys(ip, account)], default=0)
        return min(self.limits.failure_delay * 2.0 ** min(max(count - 1, 0), 30), self.limits.failure_delay_max)

    def _now(self, key: str) -> int:
        count, last = self._counts.get(key, (0, 0.0))
        return count if count and self._clock() - last < FORGET_SECONDS else 0

    def _count(self, key: str, more: int) -> None:
        self._counts[key] = (self._now(key) + more, self._clock())
        self._counts.move_to_end(key)
        if len(self._counts) > KEYS:
            self._counts.popitem(last=False)

    def _is_repeated(self, account: str, password: bytes) -> bool:
        digest = blake2b(account.encode() + b"\0" + password, key=_SECRET, digest_size=16).hexdigest()
        was_there = digest in self._guesses
        self._remember(digest)
        if not was_there:
            self._tell(f"{_GUESS} {digest}")
        return was_there

    def _remember(self, digest: str) -> None:
        self._guesses[digest] = None
        self._guesses.move_to_end(digest)
        if len(self._guesses) > GUESSES:
            self._guesses.popitem(last=False)

    def _tell(self, key: str) -> None:
        self._seen[key] = self._seen.get(key, 0) + 1


def _keys(ip: str, account: str) -> list[str]:
    """What a failure counts against. Prefixed, so that no user name can stand for an address."""
    return [_address_key(ip), _account_key(account)] if account else [_address_key(ip)]


def _address_key(ip: str) -> str:
    return f"address {client_key(ip)}"


def _account_key(account: str) -> str:
    return f"account {account.lower()}"
