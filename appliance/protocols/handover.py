"""The spine that all session protocols share: admit, dial, log in there, enter; a welcome, or why not.

Pure. Must never try again after a store has given a verdict (a second try could lock an account), after a
certificate failed (that is no passing trouble), or after a silence (the client has waited long enough).

A protocol supplies one function, `log_in(route)`: a part of a conversation that speaks to the dialled store and
returns its own kind of welcome, or `Turned`. Its front-end then tells the client, and yields Relay.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeVar

from appliance.protocols.conversation import (
    BACKEND,
    CLIENT,
    Admit,
    Dial,
    Door,
    Gone,
    HangUp,
    LineTooLong,
    Misspoken,
    Refuse,
    Send,
    Step,
    Wait,
)
from appliance.terms import Credentials, Refusal, Route

W = TypeVar("W")


class Turned(NamedTuple):
    """A log-in that led nowhere."""

    refusal: Refusal
    why: str = ""  # for the log
    words: bytes = b""  # what the store wants told, in the protocol's own form; empty: the protocol's table says it
    again: bool = False  # no verdict yet: worth another try


def down(why: str) -> Turned:
    """The store cannot serve just now, and has not looked at the password."""
    return Turned(Refusal.BACKEND_DOWN, why, again=True)


def hand_over(
    door: Door, credentials: Credentials, log_in: Callable[[Route], Step[W | Turned]], leave: bytes = b""
) -> Step[W | Turned]:
    """A welcome, with the store connected and logged in; or Turned, with no store and the refusal counted.

    Each try asks again for a route: meanwhile the store may be known to be down and its standby be chosen. `leave`
    is said to a store before hanging up (POP3's QUIT: a dropped session may keep the mailbox locked). Who has passed
    too many front-ends goes no further: they send him in a circle.
    """
    tries = door.limits.retries
    if door.ttl < 1:
        yield Refuse(Refusal.LOOP, "passed too many front-ends")
        return Turned(Refusal.LOOP)
    while True:
        route: Route | Refusal = yield Admit(credentials)
        if isinstance(route, Refusal):
            turned = Turned(route)
        elif (refusal := (yield Dial(route))) is not None:
            turned = Turned(refusal, "could not be reached", again=refusal is Refusal.BACKEND_DOWN)
        else:
            goodbye = leave
            try:
                outcome = yield from log_in(route)
            except (Gone, LineTooLong, Misspoken) as trouble:
                outcome = _trouble(trouble)
                goodbye = b"" if isinstance(trouble, Gone) else leave
            if not isinstance(outcome, Turned):
                if not route.full:
                    return outcome
                outcome = Turned(Refusal.LIMIT, route.full)
            turned = outcome
            if goodbye:
                with suppress(Gone):  # one whose certificate proved nothing is gone already
                    yield Send(BACKEND, goodbye)
            yield HangUp(turned.why if turned.refusal is Refusal.BACKEND_DOWN else "")
        if tries <= 0 or not turned.again:
            yield Refuse(turned.refusal, turned.why)
            return turned
        tries -= 1
        yield Wait(door.limits.retry_pause)


def _trouble(trouble: Gone | LineTooLong | Misspoken) -> Turned:
    """What the store's misbehaviour means. The client's own is not ours to judge."""
    if trouble.side is CLIENT:
        raise trouble
    if isinstance(trouble, Gone):
        return Turned(Refusal.BACKEND_DOWN, trouble.why, again=not trouble.silent)
    return Turned(Refusal.BACKEND_REFUSED, str(trouble))
