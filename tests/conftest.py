"""What holds for every test: nothing is skipped, nothing hangs, and random examples are the same on each run.

Must never start a server: starters live in tests/services, a running node in tests/node/conftest.py.
"""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

SECONDS = 120
SECONDS_LONG = 1800

settings.register_profile("postern", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("postern")


class TookTooLong(Exception):
    """The test hung; the traceback shows where."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test is a failed one: what cannot be tested here must be installed, not passed over."""
    report = yield
    if report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def time_limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ends a test that hangs (a bound on waiting, not a measure of speed)."""
    seconds = SECONDS_LONG if request.node.get_closest_marker("long") else SECONDS

    def expire(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLong(f"{seconds} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
