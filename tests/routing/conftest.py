"""What tests of the routing share: a configuration of two stores and two people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.routing.configuration import Configuration


@pytest.fixture
def configuration(tmp_path: Path) -> Iterator[Configuration]:
    """Two stores, one map with MARIA on alpha and OTTO on beta, the store checks passwords."""
    made = Configuration(tmp_path / "config.db")
    yield made
    made.writer.close()
