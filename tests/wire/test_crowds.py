"""Counts over several workers: right where they matter, soon silent, and nothing is kept of those who have gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.control.tally import Holdings
from appliance.terms import Limits
from appliance.wire.crowds import Counted, Crowd, Crowds

LIMIT = 6


class House:
    """Workers and their controller, who exchange news when told to."""

    def __init__(self, workers: int, limit: int = LIMIT) -> None:
        self.workers = [Counted() for _ in range(workers)]
        self.controller = Holdings()
        for worker in self.workers:
            worker.bound(limit, workers)

    def exchange(self) -> int:
        """One round: all tell, all are told. Returns how many counts were told or heard."""
        said = 0
        for worker in self.workers:
            news = worker.news()
            said += len(news)
            self.controller.heard(worker, news)
        told = self.controller.deliver(self.workers)
        for worker in self.workers:
            for who, count in told.get(worker, {}).items():
                worker.heard(who, count)
                said += 1
        return said

    def settle(self) -> None:
        """Until all is said."""
        for _ in range(5):
            if not self.exchange():
                return
        raise AssertionError("they talk for ever")

    def total(self, who: str) -> int:
        """The truth."""
        return sum(worker.count(who) for worker in self.workers)


    def reconnect(self, worker: Counted) -> None:
        """It loses the controller and comes back."""
        self.controller.gone(worker)
        worker.alone()
        self.controller.came()
        worker.begin()


moves = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.integers(-2, 5)), max_size=30)


@given(st.integers(1, 4), moves)
def test_every_worker_knows_the_total_where_it_matters(workers: int, moved: list[tuple[int, str, int]]) -> None:
    house = House(workers)
    for worker, who, more in moved:
        crowd = house.workers[worker % workers]
        if more == 5:
            house.reconnect(crowd)
        for _ in range(more):
            crowd.add(who)
        for _ in range(min(-more, crowd.count(who))):
            crowd.remove(who)
        if more == 0:
            house.exchange()
    house.settle()
    for who in "abc":
        for crowd in house.workers:
            known = crowd.count(who) + crowd.others.get(who, 0)
            assert known == house.total(who) or known <= house.total(who) < LIMIT, f"{who}: {known}"
    _all_leave(house)


def _all_leave(house: House) -> None:
    for crowd in house.workers:
        for who in [who for who, count in crowd.here.items() for _ in range(count)]:
            crowd.remove(who)
    house.settle()
    assert not any(crowd.here or crowd.others for crowd in house.workers)
    assert not house.controller._by_key


def test_no_word_is_said_of_those_who_hold_few() -> None:
    house = House(2, limit=100)
    for number in range(1000):
        house.workers[number % 2].add(f"user{number}")
    assert house.exchange() == 0
    for _ in range(25):
        house.workers[0].add("user0")
    assert house.exchange() == 2, "one tells, the other hears"


def test_without_a_limit_nothing_is_told() -> None:
    crowd = Counted()
    crowd.bound(0, 2)
    for _ in range(10_000):
        crowd.add("university")
    assert not crowd.news() and not crowd.others


def test_a_worker_that_dies_holds_nothing() -> None:
    house = House(2)
    for crowd in house.workers:
        for _ in range(4):
            crowd.add("maria")
    house.settle()
    dead = house.workers.pop()
    house.controller.gone(dead)
    house.settle()
    assert house.workers[0].others == {"maria": 0}


def test_a_worker_that_comes_is_told_what_the_others_hold() -> None:
    house = House(2)
    for _ in range(5):
        house.workers[0].add("maria")
    house.settle()
    house.workers[1] = Counted()
    house.workers[1].bound(LIMIT, 2)
    house.controller.came()
    house.settle()
    assert house.workers[1].others == {"maria": 5}


def test_a_controller_that_comes_back_is_told_and_tells() -> None:
    house = House(2)
    for crowd in house.workers:
        for _ in range(3):
            crowd.add("maria")
    house.settle()
    house.controller = Holdings()
    for crowd in house.workers:
        crowd.alone()
        assert crowd.count("maria") == 3 and not crowd.others
        crowd.begin()
    house.settle()
    assert [crowd.others for crowd in house.workers] == [{"maria": 3}] * 2


def test_a_lower_limit_makes_it_matter() -> None:
    house = House(2, limit=0)
    for crowd in house.workers:
        for _ in range(3):
            crowd.add("maria")
    assert house.exchange() == 0
    for crowd in house.workers:
        crowd.bound(4, 2)
    house.settle()
    assert [crowd.others for crowd in house.workers] == [{"maria": 3}] * 2


def test_sorts_do_not_mix() -> None:
    waiting: dict[str, list[int]] = {}
    crowds = Crowds(Crowd(waiting, len))
    limits = Limits(sessions_per_address=2, sessions_per_account=2)
    crowds.bound(limits, 1)
    for crowd in (crowds.address, crowds.account):
        crowd.add("x y")
        crowd.add("x y")
    crowds.account.remove("x y")
    assert crowds.news() == {"address x y": 2, "account x y": 1}
    crowds.heard({"account x y": 1, "of a later release": 7, "waiting 192.0.2.1": 3})
    assert crowds.account.others["x y"] == 1 and crowds.address.others["x y"] == 0
    assert crowds.reached(limits, "x y", "nobody") == "sessions_per_address"
    assert crowds.reached(limits, "nobody", "x y") == "sessions_per_account"
    assert crowds.reached(limits, "nobody", "nobody") == ""


def test_a_limit_of_nothing_is_never_reached() -> None:
    limits = Limits(sessions_per_address=0, sessions_per_account=0)
    assert limits.reached(1_000_000, 1_000_000) == ""
    assert Limits(sessions_per_account=3).reached(0, 3) == "sessions_per_account"
    assert Limits(sessions_per_account=3).reached(5, 2) == ""
