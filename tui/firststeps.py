"""The questions of a first run, answered as far as the node answers them already. Pure: no request, no widget.

A step is done when the node says so, not when somebody was here: one can leave and come back at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tui.words import count, many, plain

EVERYBODY: Final = "@"  # before a domain: an entry for everybody in it
MAP: Final = "people"  # what the services ask unless something else is set


class Known(NamedTuple):
    """What the node answered; None where it was refused."""

    site: Mapping[str, Any] | None = None  # settings by name
    auth: Mapping[str, Any] | None = None
    backends: Sequence[Mapping[str, Any]] = ()
    found: Sequence[Mapping[str, Any]] = ()  # stores on this machine
    certificates: Sequence[Mapping[str, Any]] = ()
    maps: Sequence[Mapping[str, Any]] = ()
    administrators: Sequence[Mapping[str, Any]] = ()
    host: str = ""  # the machine's name
    tried: str = ""  # who logged in before our eyes
    own_is_fine: bool = False  # the node's own certificate was said to be good enough


class Step(NamedTuple):
    """One question. `state`: done | next | later."""

    name: str
    title: str
    answer: str
    done: bool
    about: str


def steps(known: Known) -> list[Step]:
    """All seven."""
    return [_domains(known), _store(known), _certificate(known), _map(known), _passwords(known), _owner(known),
            _login(known)]  # fmt: skip


def domains(known: Known) -> list[str]:
    """Those that are set."""
    return list(known.site["domains"]["value"]) if known.site else []


def likely_domain(known: Known) -> str:
    """What the machine's own name ends in."""
    _, dot, rest = known.host.partition(".")
    return rest if dot and "." in rest else ""


def entries(known: Known) -> int:
    """In all maps together."""
    return sum(one["entries"] or 0 for one in known.maps)


def _domains(known: Known) -> Step:
    there = domains(known)
    likely = likely_domain(known)
    answer = plain(there) if there else f"found: {plain(likely)}" if likely else "none yet"
    about = "The domains whose mail is ours: people's addresses end in one of them."
    return Step("domains", "Domains", answer, bool(there), about)


def _store(known: Known) -> Step:
    if known.backends:
        one = known.backends[0]
        more = f" and {count(len(known.backends) - 1)} more" if len(known.backends) > 1 else ""
        works = one["health"] == "up"
        answer = f"{plain(one['name'], 40)} at {plain(one['imap'] or one['pop3'], 60)}, {plain(one['health'])}{more}"
        about = "Where the mailboxes are. Enter asks it step by step whether it is well."
        return Step("store", "Mail store", answer if works else f"▲ {answer}", works, about)
    found = next((one for one in known.found if one["service"] == "imap"), None)
    answer = f"found at {found['address']}: {_greeting(found)}" if found else "none found on this machine"
    about = "Where the mailboxes are: the IMAP server behind this node."
    return Step("store", "Mail store", answer, False, about)


def _greeting(found: Mapping[str, Any]) -> str:
    """What it says of itself, without the protocol's words."""
    return plain(found["greeting"].removeprefix("* OK ").rpartition("] ")[2], 60)


def _certificate(known: Known) -> Step:
    about = "What clients are shown. The node's own is encrypted just as well, but mail programs warn of it."
    good = [one for one in known.certificates if not one["own"]]
    if good:
        names = plain([name for one in good for name in one["names"]], 60)
        return Step("certificate", "Certificate", f"{names}, good for {many(good[0]['days'], 'day')}", True, about)
    return Step("certificate", "Certificate", "the node's own: mail programs warn", known.own_is_fine, about)


def _map(known: Known) -> Step:
    about = "Who lives where. With one store, one entry for the whole domain is enough; else import a file."
    there = entries(known)
    names = plain([one["name"] for one in known.maps], 60)
    answer = f"{names}: {many(there, 'entry', 'entries')}" if known.maps else "none yet"
    done = there > 0 or any(one["entries"] is None for one in known.maps)
    return Step("map", "User map", answer, done, about)


WORDS: Final = {
    "backend": "the mail store decides",
    "internal": "accounts of this node",
    "ldap": "a directory",
}


def _passwords(known: Known) -> Step:
    about = "Who says whether a password is right. Where the store has the passwords already, let it."
    if known.auth is None:
        return Step("passwords", "Passwords", "", False, about)
    method = known.auth["method"]
    return Step(
        "passwords", "Passwords", WORDS.get(method["value"], plain(method["value"])), bool(method["set"]), about
    )


def _owner(known: Known) -> Step:
    about = "Who may come to this console by SSH. Without one, only who is logged in on this machine."
    names = plain([one["name"] for one in known.administrators], 60)
    return Step("owner", "Administrator", names or "nobody yet", bool(names), about)


def _login(known: Known) -> Step:
    about = "A real log-in through this node, before your eyes."
    answer = f"{plain(known.tried, 60)} logged in" if known.tried else "not tried yet"
    return Step("login", "Try a log-in", answer, bool(known.tried), about)
