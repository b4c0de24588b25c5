"""Which cores the workers run on: one each, where there are enough workers; their password checks on any."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pytest

from appliance.sessions import compose
from appliance.wire.loop import Loop
from appliance.wire.offload import Offload

T = TypeVar("T")
CORES = os.sched_getaffinity(0)


def aside(work: Callable[[], T]) -> T:
    """Done in a thread of its own, since the cores of this one are the test run's."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def pinned(slot: int, workers: int) -> Collection[int]:
    """The cores of a worker."""
    compose._pin(slot, workers, CORES)
    return os.sched_getaffinity(0)


@pytest.mark.parametrize("slot", range(len(CORES) + 1))
def test_each_of_enough_workers_has_a_core(slot: int) -> None:
    assert aside(lambda: pinned(slot, len(CORES) + 1)) == {sorted(CORES)[slot % len(CORES)]}


def test_fewer_workers_have_all_cores() -> None:
    assert aside(lambda: pinned(0, len(CORES) - 1)) == CORES


def test_password_checks_are_not_kept_to_their_worker_s_core() -> None:
    def checked() -> list[object]:
        pinned(0, len(CORES))
        loop, found = Loop(), list[object]()
        offload = Offload(loop, 1, 1, partial(compose._spread, CORES))
        assert offload(lambda: os.sched_getaffinity(0), found.append)
        while not found:
            loop.turn()
        return found

    assert aside(checked) == [CORES]
