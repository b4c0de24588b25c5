"""Failed guesses: delays that grow, the same end for every refusal, bounded memory."""

from __future__ import annotations

from appliance.routing import limits
from appliance.routing.limits import Failures
from appliance.terms import Limits


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(**of: float) -> tuple[Failures, Clock]:
    clock = Clock()
    return Failures(Limits(**of), clock, jitter=lambda: 0.0), clock  # type: ignore[arg-type]


def test_delay_doubles_up_to_the_most() -> None:
    failures, _ = made()
    holds = []
    for number in range(6):
        failures.failed("192.0.2.1", "maria", b"guess %d" % number)
        holds.append(failures.hold("192.0.2.1", "maria", 0.5))
    assert holds == [1.5, 3.5, 7.5, 14.5, 14.5, 14.5]


def test_address_and_account_count_for_themselves() -> None:
    failures, _ = made()
    for number in range(3):
        failures.failed("2001:db8::1", f"user{number}", b"spray")
        failures.failed(f"192.0.2.{number}", "Maria", b"guess %d" % number)
    assert failures.hold("2001:db8::ffff", "nobody yet", 0) == 8, "one /64 is one client"
    assert failures.hold("198.51.100.1", "maria", 0) == 8, "case is no way around it"
    assert failures.hold("198.51.100.1", "otto", 0) == 2
    assert failures.hold("198.51.100.1", "", 0) == 2
    assert failures.counts("2001:db8::2", "maria") == (3, 3)


def test_a_user_name_cannot_stand_for_an_address() -> None:
    failures, _ = made()
    for number in range(5):
        failures.failed("192.0.2.1", "198.51.100.9", b"guess %d" % number)
    assert failures.hold("198.51.100.9", "", 0) == 2


def test_the_same_wrong_password_is_not_counted_again() -> None:
    failures, _ = made()
    for _ in range(10):
        failures.failed("192.0.2.1", "maria", b"old password")
    assert failures.counts("192.0.2.1", "maria") == (1, 1)
    failures.failed("192.0.2.1", "otto", b"old password")
    assert failures.counts("192.0.2.1", "otto") == (2, 1)
    failures.failed("192.0.2.1", "", None)
    failures.failed("192.0.2.1", "", None)
    assert failures.counts("192.0.2.1", "otto") == (4, 1)


def test_success_forgives_the_account_not_the_address() -> None:
    failures, _ = made()
    for number in range(4):
        failures.failed("192.0.2.1", "maria", b"guess %d" % number)
    failures.succeeded("Maria")
    assert failures.counts("192.0.2.1", "maria") == (4, 0)


def test_forgotten_after_a_while() -> None:
    failures, clock = made()
    for number in range(4):
        failures.failed("192.0.2.1", "maria", b"guess %d" % number)
    clock.now += limits.FORGET_SECONDS
    assert failures.counts("192.0.2.1", "maria") == (0, 0)
    assert failures.hold("192.0.2.1", "maria", 0) == 2
    failures.failed("192.0.2.1", "maria", b"another")
    assert failures.counts("192.0.2.1", "maria") == (1, 1)


def test_everybody_waits_as_long_as_the_stores_take() -> None:
    failures, _ = made()
    for seconds in [3.0] * 17 + [9.0] * 15:
        failures.rejected_after(seconds)
    assert failures.hold("192.0.2.1", "unmapped", 0.001) == 3.0 - 0.001
    assert failures.hold("192.0.2.1", "wrong", 3.2) == 0
    for _ in range(limits.REJECTIONS):
        failures.rejected_after(0.1)
    assert failures.hold("192.0.2.1", "unmapped", 0.5) == 1.5, "only the last ones count"


def test_no_delay_where_none_is_wanted() -> None:
    failures, _ = made(failure_delay=0, failure_delay_max=0)
    failures.failed("192.0.2.1", "maria", b"x")
    assert failures.hold("192.0.2.1", "maria", 0) == 0


def test_jitter_is_small_and_there() -> None:
    failures = Failures(Limits())
    holds = {failures.hold("192.0.2.1", "maria", 0) for _ in range(20)}
    assert len(holds) > 1 and all(2 <= hold <= 2 + limits.JITTER_SECONDS for hold in holds)


def test_workers_add_up() -> None:
    one, two = made()[0], made()[0]
    for number in range(3):
        one.failed("192.0.2.1", "maria", b"guess %d" % number)
    news = one.seen()
    two.add(news)
    assert one.seen() == {} and two.seen() == {}, "what came from others is not told on"
    assert two.counts("192.0.2.1", "maria") == (3, 3)


def test_a_guess_is_repeated_at_whatever_worker() -> None:
    one, two = made()[0], made()[0]
    one.failed("192.0.2.1", "maria", b"old password")
    two.add(one.seen())
    two.failed("192.0.2.1", "maria", b"old password")
    assert two.counts("192.0.2.1", "maria") == (1, 1) and two.seen() == {}
    assert not any("old password" in key for key in one._guesses)


def test_who_is_forgiven_is_forgiven_by_all() -> None:
    one, two = made()[0], made()[0]
    for number in range(3):
        one.failed("192.0.2.1", "maria", b"typing error %d" % number)
    two.add(one.seen())
    two.succeeded("maria")
    one.add(two.seen())
    assert one.counts("192.0.2.1", "maria") == two.counts("192.0.2.1", "maria") == (3, 0)
    two.succeeded("maria")
    assert two.seen() == {}, "there was nothing to forgive"


def test_what_follows_a_success_counts_from_one() -> None:
    one, two = made()[0], made()[0]
    one.failed("192.0.2.1", "maria", b"first")
    one.succeeded("maria")
    one.failed("192.0.2.1", "maria", b"second")
    two.add(one.seen())
    assert two.counts("192.0.2.1", "maria") == one.counts("192.0.2.1", "maria") == (2, 1)


def test_memory_is_bounded() -> None:
    failures, _ = made()
    for number in range(limits.KEYS + 1000):
        failures.failed(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", f"user{number}", b"x")
    assert len(failures._counts) == limits.KEYS
    assert len(failures._guesses) == limits.GUESSES
