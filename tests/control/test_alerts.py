"""What needs an administrator: each sign has its sentence, its level, its place; and ends with its cause."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.control.alerts import DAY, Alert, Certificate, LockedOut, Signs, Watchman

NOW = 1_800_000_000.0


def store(state: str = "up", **more: Any) -> dict[str, Any]:
    """A row of the overview."""
    row = {"name": "mail3", "state": state, "reason": "", "since": NOW - 60, "users": 3402, "answers_ms": 2}
    return {**row, "standby": "", **more}


def alerts(watchman: Watchman | None = None, **signs: Any) -> list[Alert]:
    """Of these signs alone."""
    return (watchman or Watchman()).alerts(Signs(**{"now": NOW, **signs}))


def test_a_node_that_is_well_needs_nobody() -> None:
    assert alerts() == []
    fine = [store("up"), store("drain"), store("unknown")]
    assert alerts(stores=fine, certificates=[Certificate("*", NOW + 15 * DAY)], room=0.1) == []


@pytest.mark.parametrize(
    ("signs", "level", "text", "screen", "subject", "since"),
    [
        ({"stores": [store("down", reason="imap: connect: refused")]}, "problem",
         "mail3 is down: log-ins of 3,402 people fail (imap: connect: refused)", "backends", "mail3", NOW - 60),
        ({"stores": [store("down", standby="mail1", reason="x"), store(name="mail1")]}, "warning",
         "mail3 is down: log-ins of 3,402 people go to mail1 (x)", "backends", "mail3", NOW - 60),
        ({"stores": [store("down", standby="mail1", users=1, reason="x"), store("drain", name="mail1")]}, "problem",
         "mail3 is down: log-ins of 1 person fail (x)", "backends", "mail3", NOW - 60),
        ({"stores": [store("partly", reason="sieve: greeting: none")]}, "problem",
         "mail3 is partly down: some log-ins of 3,402 people fail (sieve: greeting: none)", "backends", "mail3",
         NOW - 60),
        ({"stores": [store("slow", answers_ms=2840, users=0)]}, "warning",
         "mail3 is slow, over 2 s: its log-ins wait", "backends", "mail3", NOW - 60),
        ({"certificates": [Certificate("*.example.org", NOW + 6.5 * DAY)]}, "problem",
         "certificate *.example.org expires in 6 days: clients will refuse it", "certificates", "*.example.org",
         NOW - 7.5 * DAY),
        ({"certificates": [Certificate("*", NOW + 13 * DAY)]}, "warning",
         "the default certificate expires in 13 days: clients will refuse it", "certificates", "*", NOW - DAY),
        ({"certificates": [Certificate("*", NOW - 5)]}, "problem",
         "the default certificate expired: clients refuse it", "certificates", "*", NOW - 5),
        ({"certificates": [Certificate("a.example", NOW + 99 * DAY, ["it is not for a.example"])]}, "problem",
         "certificate a.example does not fit: it is not for a.example", "certificates", "a.example", NOW),
        ({"closed": {"imap": ["cannot listen on [::]:993 for imap: taken"]}}, "problem",
         "cannot listen on [::]:993 for imap: taken", "services", "imap", NOW),
        ({"lost": (3, NOW - 7)}, "problem", "3 log-ins could not be written to the log", "log", "", NOW - 7),
        ({"locked_out": [LockedOut("203.0.113.7", "20 wrong guesses", NOW - 9)]}, "warning",
         "203.0.113.7 is banned: 20 wrong guesses", "bans", "203.0.113.7", NOW - 9),
        ({"room": 0.0999}, "warning",
         "the disk of this node's data has 9 % free: without room nothing can be changed", "services", "", NOW),
        ({"room": 0.0199}, "problem",
         "the disk of this node's data has 1 % free: without room nothing can be changed", "services", "", NOW),
        ({"trial": {"id": "t", "change": "7", "what": "service set imap", "since": NOW - 3}}, "warning",
         "on trial: service set imap; the node takes it back by itself unless it is kept", "audit", "7", NOW - 3),
        ({"empty_maps": {"people": ["imap", "pop3"]}}, "warning",
         "map people is empty: imap, pop3 finds nobody in it", "maps", "people", NOW),
        ({"runs": False, "workers": 0}, "problem", "the node does not run: nobody can log in", "services", "", NOW),
    ],
)  # fmt: skip
def test_each_sign_is_told(
    signs: dict[str, Any], level: str, text: str, screen: str, subject: str, since: float
) -> None:
    (found,) = alerts(**signs)
    assert (found.level, found.text, found.screen, found.subject) == (level, text, screen, subject)
    assert found.since == since


def test_what_lasts_a_moment_only_is_not_told() -> None:
    watchman = Watchman()
    signs: dict[str, Any] = {"workers": 0, "laggards": ["sessions worker 0 (pid 7)"]}
    assert alerts(watchman, **signs) == []
    assert alerts(watchman, now=NOW + 4) == []
    assert alerts(watchman, **signs, now=NOW + 5) == []
    later = alerts(watchman, **signs, now=NOW + 10)
    assert [(one.subject, one.since) for one in later] == [("", NOW + 5), ("sessions worker 0 (pid 7)", NOW + 5)]


def test_since_is_when_it_began_and_begins_anew_after_it_was_over() -> None:
    watchman = Watchman()
    assert alerts(watchman, room=0.05)[0].since == NOW
    assert alerts(watchman, room=0.01, now=NOW + 9)[0].since == NOW
    assert alerts(watchman, now=NOW + 10) == []
    assert alerts(watchman, room=0.05, now=NOW + 11)[0].since == NOW + 11


def test_problems_come_first_and_many_bans_are_one_line() -> None:
    locked_out = [LockedOut(f"203.0.113.{number}", "guesses", NOW - number) for number in range(1, 20)]
    old = LockedOut("192.0.2.1", "guesses", NOW - 3601)
    found = alerts(locked_out=[*locked_out, old], stores=[store("slow"), store("down", name="mail2")])
    assert [one.level for one in found] == ["problem"] + ["warning"] * 7
    assert found[2].subject == "203.0.113.1" and found[-1].text == "14 more banned for wrong guesses within the hour"
    assert len({one.id for one in found}) == len(found)
