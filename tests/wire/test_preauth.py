"""Who waits before log-in: few of an address over all workers, few in all here; the oldest make room for the newest."""

from __future__ import annotations

import pytest

from appliance.wire.preauth import WaitingRoom, origin


class Guest:
    """Somebody in a room."""

    def __init__(self, room: WaitingRoom, ip: str) -> None:
        self.room, self.origin = room, origin(ip)
        self.because = ""
        room.enter(self)

    def tick(self, now: float) -> None:
        """Is patient."""

    def evict(self, limit: str = "") -> None:
        """Goes."""
        self.because = limit
        self.room.leave(self)


def made(per_address: int = 4, total: int = 10, workers: int = 2) -> WaitingRoom:
    room = WaitingRoom()
    room.bound(per_address, total)
    room.crowd.bound(per_address, workers)
    return room


def gone(guests: list[Guest]) -> list[int]:
    """Which of them had to go."""
    return [number for number, guest in enumerate(guests) if guest.because]


def test_the_oldest_of_an_address_gives_way() -> None:
    room = made()
    elsewhere = Guest(room, "192.0.2.9")
    guests = [Guest(room, "192.0.2.1") for _ in range(6)]
    assert gone(guests) == [0, 1] and guests[0].because == "preauth_per_address"
    assert not elsewhere.because and len(room.all) == 5


def test_the_oldest_of_all_gives_way() -> None:
    room = made()
    guests = [Guest(room, f"192.0.2.{number}") for number in range(12)]
    assert gone(guests) == [0, 1] and guests[0].because == "preauth_share"


def test_a_network_is_one_client() -> None:
    room = made()
    guests = [Guest(room, f"2001:db8:0:1::{number:x}") for number in range(5)]
    other = Guest(room, "2001:db8:0:2::1")
    assert gone(guests) == [0] and not other.because


@pytest.mark.parametrize(
    ("ip", "counted"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::/64"), ("fe80::1%eth0", "fe80::/64"), ("::1", "::/64"),
     ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64")],
)  # fmt: skip
def test_what_an_address_is_counted_by(ip: str, counted: str) -> None:
    assert origin(ip) == counted


def test_those_of_other_workers_count_and_the_newest_stays() -> None:
    room = made()
    room.crowd.heard("192.0.2.1", 4)
    newest = Guest(room, "192.0.2.1")
    assert not newest.because, "the other worker has the older ones"
    another = Guest(room, "192.0.2.1")
    assert newest.because and not another.because


def test_each_worker_sends_its_own_part_away() -> None:
    room = made(per_address=6)
    guests = [Guest(room, "192.0.2.1") for _ in range(6)]
    room.crowd.heard("192.0.2.1", 6)
    assert gone(guests) == [0, 1, 2], "half of the twelve are here, and half of the six may stay here"
    room.crowd.heard("192.0.2.1", 3)
    assert gone(guests) == [0, 1, 2]


def test_to_hear_of_strangers_is_of_no_consequence() -> None:
    room = made()
    room.crowd.heard("192.0.2.1", 100)
    assert room.crowd.others == {"192.0.2.1": 100}
    room.crowd.heard("192.0.2.1", 0)
    assert not room.crowd.others and not room.crowd.news()


def test_what_is_told_is_what_matters() -> None:
    room = made(per_address=8)
    few, many = Guest(room, "192.0.2.1"), [Guest(room, "192.0.2.2") for _ in range(2)]
    assert room.crowd.news() == {"192.0.2.2": 2}, "half of a fair share of 8 for two workers"
    room.leave(few)
    room.leave(many[0])
    assert room.crowd.news() == {"192.0.2.2": 1}, "once told, always told"
    room.leave(many[1])
    assert room.crowd.news() == {"192.0.2.2": 0} and not room.crowd.others
