"""The minutes of log-ins: what is told of them adds up, whatever order the clock and the workers keep."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.control.pulse import MINUTES, RECENT, Pulse
from appliance.control.tally import Tally
from appliance.control.workers import States
from appliance.messages import BackendState


def of_imap(ok: float = 0, failed: float = 0, **timed: float) -> dict[str, float]:
    """What was counted."""
    counts = {"logins/imap/ok": ok, "logins/imap/bad-credentials": failed}
    return {**counts, **{f"login_seconds/imap/{bound}": count for bound, count in timed.items()}}


@given(st.lists(st.tuples(st.floats(0, 400), st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_each_log_in_is_in_the_minute_it_was_heard_in(heard: list[tuple[float, int, int]]) -> None:
    pulse, now, ok, failed = Pulse(), 0.0, 0, 0
    pulse.feel({}, now)
    by_minute: dict[int, list[int]] = {}
    for later, more_ok, more_failed in heard:
        now, ok, failed = now + later, ok + more_ok, failed + more_failed
        pulse.feel(of_imap(ok, failed), now)
        counts = by_minute.setdefault(int(now // 60), [0, 0])
        counts[0] += more_ok
        counts[1] += more_failed
    last = int(now // 60)
    wanted = [by_minute.get(minute, [0, 0]) for minute in range(last - MINUTES + 1, last + 1)]
    found = pulse.of("imap")
    assert [found.per_minute, found.failed_per_minute] == [list(column) for column in zip(*wanted, strict=True)]
    assert found.log_ins == sum(found.per_minute[-RECENT:])
    assert found.failed == sum(found.failed_per_minute[-RECENT:])
    assert pulse.of("pop3").per_minute == [0] * MINUTES


def test_the_slow_ones_are_those_of_the_last_minutes() -> None:
    pulse = Pulse()
    pulse.feel({}, 0)
    assert pulse.of("imap").slowest_ms is None
    pulse.feel(of_imap(**{"0.01": 99, "2.5": 1}), 10)
    assert 5 < (pulse.of("imap").slowest_ms or 0) <= 10, "one in a hundred is not the 95th"
    pulse.feel(of_imap(**{"0.01": 99, "2.5": 11}), 20)
    assert 1000 < (pulse.of("imap").slowest_ms or 0) <= 2500
    pulse.feel(of_imap(**{"0.01": 99, "2.5": 11}), 20 + 60 * RECENT)
    assert pulse.of("imap").slowest_ms is None, "that was long ago"
    pulse.feel(of_imap(**{"0.01": 99, "2.5": 11, "+Inf": 5}), 400)
    assert pulse.of("imap").slowest_ms == 30_000


def test_what_was_counted_before_this_controller_began_is_no_rush() -> None:
    tally, pulse = Tally(), Pulse()
    pulse.feel(tally.grown(), 0)
    tally.heard("old", of_imap(1_000_000))
    pulse.feel(tally.grown(), 1)
    assert pulse.of("imap").log_ins == 0
    tally.heard("old", of_imap(1_000_003, 2))
    tally.heard("new", of_imap(0))
    tally.heard("new", of_imap(4))
    pulse.feel(tally.grown(), 2)
    tally.gone("old")
    pulse.feel(tally.grown(), 3)
    assert (pulse.of("imap").log_ins, pulse.of("imap").failed) == (7, 2)


def test_a_clock_that_slept_shows_the_minutes_it_slept_through_empty() -> None:
    pulse = Pulse()
    pulse.feel({}, 30)
    pulse.feel(of_imap(5), 50)
    pulse.feel(of_imap(5), 50 + 3600)
    assert pulse.of("imap").per_minute == [0] * MINUTES


def test_one_slow_answer_of_a_store_is_no_news() -> None:
    states = States()
    states.keep(BackendState("mail2", "imap", True), 0)
    assert states.usual_ms("mail2") is None
    for ms in (3.0, 2000.0, 4.0):
        states.answered("mail2", "imap", ms)
    states.answered("mail2", "sieve", 2.0)
    assert states.usual_ms("mail2") == 4.0
    states.answered("mail2", "imap", 1900.0)
    assert states.usual_ms("mail2") == 1900.0
    states.forget_all_but({("mail2", "sieve")})
    assert states.usual_ms("mail2") == 2.0
