"""Circuit breakers: opened by enough failures of enough clients, closed by what is heard, never for ever."""

from __future__ import annotations

from appliance.routing.health import REMEMBERED, Health
from appliance.terms import Service

IMAP, POP3 = Service.IMAP, Service.POP3


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def made() -> tuple[Health, Clock, list[tuple[str, str, bool, str]]]:
    clock, told = Clock(), list[tuple[str, str, bool, str]]()
    return Health(lambda *state: told.append(state), clock=clock), clock, told


def fail(health: Health, times: int, clients: int = 2) -> None:
    for number in range(times):
        health.missed("alpha", IMAP, f"192.0.2.{number % clients}", "refused")


def test_opens_after_five_failures_of_two_clients() -> None:
    health, _, told = made()
    fail(health, 4)
    assert health.usable("alpha", IMAP) and not told
    fail(health, 1)
    assert not health.usable("alpha", IMAP)
    assert told == [("alpha", "imap", False, "refused")] and health.opened == 1
    assert health.usable("alpha", POP3) and health.usable("beta", IMAP)
    assert health.why("alpha", IMAP) == ("refused", 0.0)
    assert health.why("beta", IMAP) == ("", 0.0)


def test_one_client_cannot_close_a_store() -> None:
    health, _, told = made()
    fail(health, REMEMBERED * 3, clients=1)
    health.missed("alpha", IMAP, "::ffff:192.0.2.0", "refused")
    assert health.usable("alpha", IMAP) and not told
    assert len(health._breakers["alpha", IMAP].failures) == REMEMBERED
    health.missed("alpha", IMAP, "192.0.2.9", "refused")
    assert not health.usable("alpha", IMAP)


def test_failures_must_be_close_together_and_in_a_row() -> None:
    health, clock, _ = made()
    fail(health, 4)
    clock.now += 30
    fail(health, 4)
    assert health.usable("alpha", IMAP)
    health.reached("alpha", IMAP)
    fail(health, 4)
    assert health.usable("alpha", IMAP)


def test_half_open_lets_one_through() -> None:
    health, clock, told = made()
    fail(health, 5)
    clock.now += 29
    assert not health.usable("alpha", IMAP)
    clock.now += 1
    assert health.usable("alpha", IMAP, trial=False), "who only asks"
    assert health.usable("alpha", IMAP) and not health.usable("alpha", IMAP), "one trial, not two"
    health.missed("alpha", IMAP, "192.0.2.1", "still refused")
    clock.now += 29
    assert not health.usable("alpha", IMAP)
    assert health.why("alpha", IMAP) == ("still refused", 59.0)
    clock.now += 1
    assert health.usable("alpha", IMAP)
    health.reached("alpha", IMAP)
    assert health.usable("alpha", IMAP) and health.usable("alpha", IMAP)
    assert told[1:] == [("alpha", "imap", True, "")]


def test_a_trial_that_never_ends_is_followed_by_another() -> None:
    health, clock, _ = made()
    fail(health, 5)
    clock.now += 30
    assert health.usable("alpha", IMAP)
    clock.now += 30
    assert health.usable("alpha", IMAP)


def test_probes_open_and_close_without_being_told_on() -> None:
    health, clock, told = made()
    health.told("alpha", "", False, "no route")
    assert not health.usable("alpha", IMAP) and not health.usable("alpha", POP3)
    health.told("alpha", "imap", True)
    assert health.usable("alpha", IMAP) and not health.usable("alpha", POP3)
    clock.now += 30
    assert health.usable("alpha", POP3), "old news close a store for a while, not for ever"
    health.told("alpha", "", True)
    assert not told and health.opened == 0


def test_forgets_what_is_not_configured() -> None:
    health, _, _ = made()
    health.told("alpha", "imap", False, "x")
    health.told("beta", "imap", False, "x")
    health.keep_only(["beta"])
    assert health.usable("alpha", IMAP) and not health.usable("beta", IMAP)
