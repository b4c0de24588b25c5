"""Accounts, back-ends and the log, over a node that answers what a test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from appliance.control.api import Done, Event, Progress, Refused, Reply
from appliance.control.api.accounts import AccountList, AccountPassword
from appliance.control.api.backends import BackendAdd, BackendCheck, BackendEnable, BackendRemove, BackendSet
from appliance.control.api.live import LogTail
from tests.tui.data import ADDRESSES, NOW, answer, last, node
from tests.tui.stage import Stage, play
from tui.screens.log import KEPT
from tui.widgets.rows import Rows

SECRET = "kx-new-s3cret"


def test_a_password_is_asked_for_twice_and_never_shown() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("accounts")
        await stage.sees("maria@x.test", "off: no log-ins")
        await stage.press("P")
        await answer(stage, "New password of maria@x.test", SECRET)
        await answer(stage, "The same again", SECRET + "x")
        await stage.sees("these were not the same")
        assert not [one for one in fake.asked if isinstance(one, AccountPassword)]
        await stage.press("P")
        await stage.sees("New password of maria@x.test")
        await stage.type(SECRET)
        assert SECRET not in stage.text()
        await stage.press("enter")
        await answer(stage, "The same again", SECRET)
        shown = await stage.sees("done: postern account password maria@x.test")
        assert SECRET not in shown
        assert last(fake, AccountPassword).password == SECRET

    rows = [{"address": "maria@x.test", "state": "on", "scheme": "argon2id"},
            {"address": "otto@x.test", "state": "off", "scheme": "argon2id"}]  # fmt: skip
    play(fake := node(AccountList=rows, AccountPassword={"address": ""}), story)


def test_accounts_are_paged_by_the_node() -> None:
    def page(request: AccountList) -> list[dict[str, str]]:
        found = [one for one in ADDRESSES if one.startswith(request.prefix) and one > request.after]
        return [{"address": one, "state": "on", "scheme": "argon2id"} for one in found[: request.limit]]

    async def story(stage: Stage) -> None:
        stage.app.go("accounts")
        await stage.sees("1 to 100, by address, more with n")
        await stage.press("n", "n")
        await stage.sees("201 to 250, by address")
        assert "more with n" not in stage.text()
        await stage.press("slash", *"u01", "enter")
        await stage.sees("1 to 10, by address", "accounts · u01…")

    play(node(AccountList=page), story)


def test_a_store_has_its_probe_and_a_standby() -> None:
    steps = [{"name": "connect", "ok": True, "result": "10.0.0.1:143", "ms": 0.4},
             {"name": "greeting", "ok": False, "result": "* BYE \x1b[31mfull", "ms": 2000.0}]  # fmt: skip
    visit = {"backend": "mail1", "service": "imap", "ok": False, "steps": steps, "reason": "greeting: full"}

    def check(request: BackendCheck) -> Iterator[Reply]:
        yield Progress("checking", 0, 1)
        raise Refused("not right", value=[visit])

    async def story(stage: Stage) -> None:
        stage.app.go("backends")
        await stage.sees("mail1", "mail2", "up")
        await stage.press("X")
        await stage.sees("back-end mail1 is in use: failover of imap")
        await stage.press("escape", "enter")
        await stage.sees("connect", "10.0.0.1:143", "✗ failed", "2.0 s", "BYE \\x1b[31mfull", "IMAP: greeting: full")
        await stage.press("S")
        shown = await stage.sees("serves the people of mail1", "none: they wait", "mail2   up")
        assert "mail1   up" not in shown
        await stage.press("2")
        await stage.sees("done: postern backend set mail1 standby=mail2")
        assert last(fake, BackendSet) == BackendSet("mail1", {"standby": "mail2"})
        assert not [one for one in fake.asked if isinstance(one, BackendRemove)]

    play(fake := node(BackendCheck=check), story)


def test_a_store_is_added_and_then_looked_at() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("backends")
        await stage.sees("mail1")
        await stage.press("A")
        await answer(stage, "Name of the new back-end", "mail3")
        await answer(stage, "Where does IMAP of mail3 answer?", "m3.x.test:143")
        await stage.sees("backends · mail3", "it has no address of any protocol")
        assert last(fake, BackendAdd) == BackendAdd("mail3", {"imap": "m3.x.test:143"})
        await stage.press("E")
        await stage.sees("done: postern backend enable mail3")
        assert last(fake, BackendEnable) == BackendEnable("mail3")

    play(fake := node(), story)


class Tail:
    """A log that a test feeds, and can break off."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.begun = 0
        self.broken = threading.Event()

    def feed(self, number: int, user: str = "maria@x.test", refusal: str = "") -> None:
        """This many more log-ins."""
        at = len(self.lines)
        self.lines += [
            {"at": NOW + at + more, "session": f"s{at + more}", "service": "imap", "user": user, "client": "192.0.2.1",
             "backend": "mail1", "source": "", "refusal": refusal, "why": "", "ms": [1.0, 2.0]}
            for more in range(number)
        ]  # fmt: skip

    def __call__(self, request: LogTail) -> Iterator[Reply]:
        self.begun += 1
        told = max(0, len(self.lines) - request.last)
        while not self.broken.is_set():
            yield from [Event(one) for one in self.lines[told:]]
            told = len(self.lines)
            yield Progress("following", 0, 0)
            time.sleep(0.01)
        self.broken.clear()
        raise Refused("the node went away")


def test_the_log_follows_is_bounded_and_survives_a_break() -> None:
    tail = Tail()
    tail.feed(3)

    async def story(stage: Stage) -> None:
        try:
            stage.app.go("log")
            await stage.sees("maria@x.test", "follows")
            tail.feed(1, "ev\x1b]0;il\x07@x.test", "bad-credentials")
            await stage.sees("ev\\x1b]0;il\\x07", "✗ wrong password")
            tail.broken.set()
            await stage.until(lambda: tail.begun == 2, "the stream begins again")
            tail.feed(1, "late@x.test")
            await stage.sees("late@x.test")
            assert stage.text().count("✗ wrong password") == 1, "the past is not shown twice"
            await stage.press("k")
            await stage.sees("paused")
            tail.feed(2 * KEPT, "many@x.test")
            await stage.sees("new since: Space goes on")
            assert "many@x.test" not in stage.text()
            await stage.press("space")
            await stage.sees("many@x.test")
            await stage.press("space")
            await stage.until(lambda: stage.app.screen.query_one(Rows).row_count == KEPT, "no more than are kept")
        finally:
            tail.broken.set()

    play(node(LogTail=tail), story)


def _still() -> Reply:
    time.sleep(0.01)
    return Progress("following", 0, 0)


def test_the_log_asks_the_node_for_a_service_and_an_outcome() -> None:
    def past(request: LogTail) -> Iterator[Reply]:
        yield from [] if not request.follow else (_still() for _ in range(1000))
        yield Done()

    async def story(stage: Stage) -> None:
        stage.app.go("log")
        await stage.sees("Nobody has logged in yet.")
        await stage.press("slash")
        await stage.type("refused pop3 maria@x.test")
        await stage.press("enter")
        await stage.until(lambda: last(fake, LogTail).service == "pop3", "the filter")
        asked = [one for one in fake.asked if isinstance(one, LogTail)]
        assert LogTail(service="pop3", outcome="refused", last=200) in asked
        assert LogTail("maria@x.test", "pop3", "refused", 200, follow=False) in asked

    play(fake := node(LogTail=past), story)
