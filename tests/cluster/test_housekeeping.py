"""What nothing refers to goes, in pieces; what an undo, a revert or an import still needs stays."""

from __future__ import annotations

import sqlite3

import pytest

from appliance.cluster import housekeeping
from appliance.cluster.housekeeping import DAY, prune
from appliance.cluster.locallog import LocalLog
from appliance.cluster.log import Op, put
from appliance.cluster.revert import revert
from appliance.cluster.writer import Writer
from db import audit, bans, maps
from tests.cluster.databases import NOON, account, committed, entry, importing, undone


def tidied(connection: sqlite3.Connection, now: float, piece: int = 10_000) -> int:
    """Tidy until nothing is left to do; how many pieces that took."""
    pieces = 0
    while prune(connection, now, piece):
        pieces += 1
    return pieces


def rows(name: str, count: int = 30) -> list[tuple[str, str | None]]:
    return [(f"{name}{number}@a.test", "m") for number in range(count)]


def test_the_load_before_stays_while_it_can_be_gone_back_to(node: Writer, config: sqlite3.Connection) -> None:
    first, second = importing(node, [rows("a")]), importing(node, [rows("b")])
    assert committed(node, first, 1).done
    node.submit(entry(kind="imp", step="abort", load=second))
    third = importing(node, [rows("c")])
    assert committed(node, third, 1).done
    assert tidied(config, NOON, piece=10) == 3, "only the aborted one goes, in pieces"
    assert maps.loads(config) == {first, third}
    assert undone(node).done
    node.submit(entry(account("later"), at=NOON + 20 * DAY))
    assert tidied(config, NOON + 20 * DAY) == 1
    assert maps.loads(config) == {first}


def test_an_import_under_way_stays(node: Writer, config: sqlite3.Connection) -> None:
    load = importing(node, [rows("a")])
    node.submit(entry(account("later"), at=NOON + 20 * DAY))
    assert tidied(config, NOON + 20 * DAY) == 0
    assert maps.loads(config) == {load}


def test_a_map_that_was_removed_can_come_back_for_seven_days(node: Writer, config: sqlite3.Connection) -> None:
    load = importing(node, [rows("a")])
    committed(node, load, 1)
    removed = node.submit(entry(Op("map_state", {"map": "people"})))
    node.submit(entry(account("later"), at=NOON + 7 * DAY))
    tidied(config, NOON + 7 * DAY)
    assert revert(config, removed.revision)[0].row is not None
    node.submit(entry(account("later"), at=NOON + 9 * DAY))
    tidied(config, NOON + 9 * DAY)
    assert maps.loads(config) == set()
    with pytest.raises(ValueError, match="kept for 7 days and is gone"):
        revert(config, removed.revision)


def test_a_node_that_lags_forgets_nothing_it_may_be_asked_for(node: Writer, config: sqlite3.Connection) -> None:
    """Its clock is the last applied entry's: entries it has not seen yet may still undo."""
    first = importing(node, [rows("a")])
    committed(node, first, 1)
    committed(node, importing(node, [rows("b")]), 1)
    assert tidied(config, NOON + 300 * DAY) == 1, "records of chunks"
    assert first in maps.loads(config)


def ban(subject: str, until: float) -> Op:
    return put("ban", {"scope": "address", "subject": subject, "until": until, "reason": ""}, ("scope", "subject"))


def test_bans_go_a_day_after_they_end(node: Writer, config: sqlite3.Connection) -> None:
    node.submit(entry(ban("192.0.2.1", NOON + 60), ban("192.0.2.2", NOON + 2 * DAY), ban("192.0.2.3", 0)))
    node.submit(entry(account("later"), at=NOON + 60 + DAY + 1))
    tidied(config, NOON + 3 * DAY)
    assert [kept.subject for kept in bans.all(config)] == ["192.0.2.2", "192.0.2.3"]


def test_old_records_go(node: Writer, config: sqlite3.Connection) -> None:
    committed(node, importing(node, [rows("a")]), 1)
    node.submit(entry(account("later"), at=NOON + 399 * DAY))
    tidied(config, NOON + 31 * DAY)
    assert [found.revision for found in audit.page(config)] == [4, 3, 1]
    assert audit.get(config, 2) is None, "the chunk's"
    tidied(config, NOON + 401 * DAY)
    assert [found.revision for found in audit.page(config)] == [4]


def test_the_log_keeps_its_newest(node: Writer, config: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "LOG_KEPT", 5)
    node.submit_many([entry(account(str(number))) for number in range(20)])
    assert tidied(config, NOON, piece=4) == 4
    assert [revision for revision, *_ in LocalLog(config).follow(16)] == [16, 17, 18, 19, 20]


def test_the_writer_tidies_by_itself(node: Writer, config: sqlite3.Connection) -> None:
    node.submit(entry(kind="imp", step="abort", load=importing(node, [rows("a")])))
    assert node.tidy(NOON) == 30
    assert node.tidy(NOON) == 0
