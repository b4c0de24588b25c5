"""Sums over workers, by examples made up by hypothesis: nothing goes down, nothing is counted twice."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from appliance.control.metrics import counted, timed
from appliance.control.tally import METRICS, Failures, Tally, parsed
from appliance.messages import LOGIN_SECONDS

OK = "logins/imap/ok"
LIVE = "sessions/imap/mail2"

reports = st.lists(st.tuples(st.integers(0, 3), st.one_of(st.none(), st.integers(0, 100))), max_size=40)


@given(reports)
def test_a_counter_never_goes_down_and_a_gauge_is_that_of_the_living(told: list[tuple[int, int | None]]) -> None:
    tally, before, live = Tally(), 0.0, dict[int, int]()
    for worker, added in told:
        if added is None:
            tally.gone(worker)
            live.pop(worker, None)
        else:
            live[worker] = live.get(worker, 0) + added
            tally.heard(worker, {OK: live[worker], LIVE: live[worker]})
        now = tally.totals().get(OK, 0)
        assert now >= before
        before = now
        assert tally.by_label("sessions", "service")["imap"] == sum(live.values())
    assert before == sum(added for _, added in told if added is not None)


failures = st.lists(
    st.tuples(st.integers(0, 3), st.dictionaries(st.sampled_from("abcd"), st.integers(1, 5), max_size=4)), max_size=12
)


@given(failures)
def test_every_worker_hears_of_each_failure_that_it_did_not_see_itself(seen: list[tuple[int, dict[str, int]]]) -> None:
    held = Failures()
    for worker, counts in seen:
        held.seen(worker, counts)
    told = held.deliver(range(4))
    for worker in range(4):
        wanted: Counter[str] = Counter()
        for other, counts in seen:
            if other != worker:
                wanted.update(counts)
        assert told.get(worker, {}) == dict(wanted)
    assert not held and held.deliver(range(4)) == {}


def test_a_flood_of_made_up_names_is_bounded() -> None:
    held = Failures()
    for start in range(0, 30_000, 100):
        held.seen("one", {str(number): 1 for number in range(start, start + 100)})
    assert len(held.deliver(["other"])["other"]) == Failures.LIMIT


def test_keys_are_read_by_the_table() -> None:
    assert parsed(OK) == ("logins", {"service": "imap", "outcome": "ok"})
    assert parsed("hashes") == ("hashes", {})
    assert parsed("hashes/1") == parsed("of a later release") == parsed("") == ("", {})


def test_unknown_keys_are_left_out_and_the_rest_is_shown() -> None:
    tally = Tally()
    tally.heard("one", {OK: 2, "of_a_later_release": 7, "logins/imap": 9, "hashes": 4})
    samples = {(s.name, tuple(s.labels.items())): s.value for family in counted(tally) for s in family.samples}
    assert samples == {
        ("postern_logins_total", (("service", "imap"), ("outcome", "ok"))): 2,
        ("postern_hashes_total", ()): 4,
    }


def test_every_metric_has_a_help_text_of_one_sentence() -> None:
    assert all(metric.help.endswith(".") for metric in METRICS.values())


def test_timings_outlive_their_worker_and_are_shown_cumulated() -> None:
    tally = Tally()
    tally.heard("one", {"login_seconds/imap/0.01": 2, "login_seconds/imap/sum": 0.015})
    tally.gone("one")
    tally.heard("two", {"login_seconds/imap/0.01": 1, "login_seconds/imap/+Inf": 1, "login_seconds/imap/sum": 40.5})
    tally.heard("of another release", {"login_seconds/imap/7": 1})
    samples = {(s.name, s.labels.get("le", "")): s.value for s in timed(tally).samples}
    assert samples.pop(("postern_login_seconds_sum", "")) == 40.515
    assert samples.pop(("postern_login_seconds_count", "")) == 4
    assert samples == {
        ("postern_login_seconds_bucket", str(bound)): {0.005: 0, "+Inf": 4}.get(bound, 3)
        for bound in (*LOGIN_SECONDS, "+Inf")
    }
    assert not any("login_seconds" in family.name for family in counted(tally))
