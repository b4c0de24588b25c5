"""Packets between processes: whole or not at all, descriptors beside them, never waiting."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import messages, packets
from appliance.messages import MAX_DESCRIPTORS, PACKET

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Two connected ends."""
    made = packets.pair()
    yield made
    for end in made:
        end.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """Where a socket may be."""
    with tempfile.TemporaryDirectory(prefix="pk-", dir="/tmp") as folder:
        yield Path(folder) / "sock"


def count() -> int:
    """Our open descriptors."""
    return len(os.listdir("/proc/self/fd"))


def test_one_message_one_packet(ends: Ends) -> None:
    one, other = ends
    assert packets.receive(other) is None, "there is none now"
    for message in (messages.Alive(), messages.Drain(1.5)):
        assert packets.send(one, message)
    for message in (messages.Alive(), messages.Drain(1.5)):
        assert packets.receive(other) == (messages.encode(message), [])
    assert packets.receive(other) is None


def test_the_end_is_an_empty_packet(ends: Ends) -> None:
    one, other = ends
    packets.send(one, messages.Alive())
    one.close()
    assert packets.receive(other) == (messages.encode(messages.Alive()), [])
    assert packets.receive(other) == (b"", [])
    assert not packets.send(other, messages.Alive())
    other.close()
    assert packets.receive(other) == (b"", []), "and so is what was closed here"


def test_infinite_seconds_arrive_as_such(ends: Ends) -> None:
    one, other = ends
    packets.send(one, messages.Drain(float("inf")))
    received = packets.receive(other)
    assert received and messages.decode_from_supervisor(received[0]) == messages.Drain(float("inf"))


def test_as_many_descriptors_as_may_travel_at_once(ends: Ends) -> None:
    one, other = ends
    reading, writing = os.pipe()
    copies = [os.dup(writing) for _ in range(MAX_DESCRIPTORS)]
    before = count()
    assert packets.send(one, messages.Alive(), copies)
    received = packets.receive(other)
    assert received and len(received[1]) == MAX_DESCRIPTORS and count() == before + MAX_DESCRIPTORS
    assert not any(os.get_inheritable(descriptor) for descriptor in received[1])
    os.write(received[1][-1], b"through the last")
    assert os.read(reading, 100) == b"through the last"
    for descriptor in (*received[1], *copies, reading, writing):
        os.close(descriptor)


def test_descriptors_that_are_none_are_not_sent(ends: Ends) -> None:
    assert not packets.send(ends[0], messages.Alive(), [999_999])


def test_a_peer_that_does_not_read_is_told_of_at_once(ends: Ends) -> None:
    began = time.monotonic()
    while packets.send(ends[0], messages.Alive()):
        pass
    assert time.monotonic() - began < 5
    packets.receive(ends[1])
    assert packets.send(ends[0], messages.Alive())


@given(st.lists(st.binary(min_size=1, max_size=PACKET), max_size=4))
def test_packets_are_never_cut_or_joined(octets: list[bytes]) -> None:
    one, other = packets.pair()
    with one, other:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        for packet in octets:
            sent = False
            with suppress(BlockingIOError):
                sent = one.send(packet) == len(packet)
            assert packets.receive(other) == ((packet, []) if sent else None)


def test_who_is_at_the_other_end(place: Path) -> None:
    with packets.listen(place, 0o600) as server, packets.connect(place) as client:
        accepted, _ = server.accept()
        with accepted:
            assert packets.peer_of(accepted) == packets.peer_of(client) == (os.getpid(), os.geteuid(), os.getegid())


def test_listening_in_the_place_of_a_dead_process(place: Path) -> None:
    packets.listen(place, 0o600).close()
    with pytest.raises(ConnectionRefusedError):
        packets.connect(place)
    with packets.listen(place, 0o640) as server, packets.connect(place):
        assert place.stat().st_mode & 0o777 == 0o640
        server.accept()[0].close()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_socket_has_its_mode_from_its_first_moment(place: Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed by name: its owner could have put a link there."""
    monkeypatch.setattr(Path, "chmod", None)
    before = os.umask(0o027)
    try:
        packets.listen(place, mode).close()
        assert place.stat().st_mode & 0o777 == mode
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_nothing_is_left_open_where_nothing_can_be(place: Path) -> None:
    before = count()
    with pytest.raises(OSError):
        packets.connect(place)
    with pytest.raises(OSError):
        packets.listen(place / "below" / "nothing", 0o600)
    assert count() == before


def test_a_process_that_accepts_nobody_is_not_waited_for(place: Path) -> None:
    made = []
    with packets.listen(place, 0o600), pytest.raises(BlockingIOError):
        for _ in range(1000):
            made.append(packets.connect(place))
    assert len(made) > 10
    for one in made:
        one.close()
