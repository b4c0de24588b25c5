"""The people of the tests: who lives on which store, with passwords that are easy to find in a log by mistake."""

from __future__ import annotations

from typing import NamedTuple


class Person(NamedTuple):
    """A mailbox and its password."""

    address: str
    password: str


MARIA = Person("maria@example.test", "kx-maria-s3cret")  # on alpha, and a copy on beta
QUOTES = Person("quotes@example.test", 'kx "quoted\\pass word')  # on alpha
JOERG = Person("jörg@example.test", "kx-pässwörd")  # on alpha; only AUTHENTICATE can carry the name
OTTO = Person("otto@example.test", "kx-otto-s3cret")  # on beta
NOBODY = Person("nobody@example.test", "kx-nobody-s3cret")  # on beta, in no map
SYNC = Person("sync@example.test", "kx-sync-s3cret")  # on alpha; mbsync only
OFFLINE = Person("offline@example.test", "kx-offline-s3cret")  # on alpha; offlineimap only
FETCH = Person("fetch@example.test", "kx-fetch-s3cret")  # on alpha; fetchmail and getmail only
CROWD = [Person(f"crowd{number}@example.test", "kx-crowd-s3cret") for number in range(20)]  # on beta

ON_ALPHA = (MARIA, QUOTES, JOERG, SYNC, OFFLINE, FETCH)
ON_BETA = (MARIA, OTTO, NOBODY, *CROWD)
WRONG = "kx-wrong-s3cret"
SECRETS = {person.password for person in (*ON_ALPHA, *ON_BETA)} | {WRONG}

MAP = {person.address: "alpha" for person in ON_ALPHA} | {
    person.address: "beta" for person in ON_BETA if person not in (MARIA, NOBODY)
}
