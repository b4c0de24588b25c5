"""A role on asyncio and its supervisor: what it is lent, when it drains, when it gives up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

from appliance import messages, role
from appliance.home import Home
from appliance.role import Duty, Lent
from tests.control.running import new_home
from tests.sessions.role import FakeSupervisor
from tests.tui.sshd.world import soon


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home at a short path."""
    yield new_home(tmp_path_factory.mktemp("r") / "h")


class Role:
    """Remembers what it is told."""

    def __init__(self, home: Home) -> None:
        self.lent: list[list[Lent]] = []
        self.drained: list[float] = []
        self.duty = Duty(home, "console", "console-1", self.lent.append, self.drained.append)


def tell(home: Home, story: Callable[[Role, FakeSupervisor], Awaitable[None]]) -> None:
    """A role at work, and a supervisor that does as the story says."""
    supervisor = FakeSupervisor(home)

    async def whole() -> None:
        one = Role(home)
        work = asyncio.create_task(one.duty.do())
        try:
            await story(one, supervisor)
        finally:
            work.cancel()

    asyncio.run(whole())
    supervisor.server.close()


def test_it_is_lent_sockets_says_ready_and_drains(home: Home) -> None:
    async def story(one: Role, supervisor: FakeSupervisor) -> None:
        hello = await asyncio.to_thread(supervisor.meet)
        assert (hello.role, hello.instance) == ("console", "console-1")
        (port,) = supervisor.listen(1, 2)
        supervisor.lend(2)
        await soon(lambda: one.lent, "it is lent something")
        (lent,) = one.lent
        assert [entry.socket.getsockname()[1] for entry in lent] == [port, port]
        one.duty.ready()
        await asyncio.to_thread(supervisor.hear, messages.Ready)
        await asyncio.to_thread(supervisor.hear, messages.Alive)
        supervisor.tell(messages.Drain(5.0))
        await soon(lambda: one.drained == [5.0], "it drains")

    tell(home, story)


def test_a_supervisor_that_comes_back_is_greeted_and_told_again(home: Home) -> None:
    async def story(one: Role, supervisor: FakeSupervisor) -> None:
        await asyncio.to_thread(supervisor.meet)
        one.duty.ready()
        await asyncio.to_thread(supervisor.hear, messages.Ready)
        assert supervisor.link
        supervisor.link.shutdown(socket.SHUT_RDWR)
        await asyncio.to_thread(supervisor.meet)
        await asyncio.to_thread(supervisor.hear, messages.Ready)
        assert one.drained == []

    tell(home, story)


def test_without_one_for_long_it_gives_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role, "ORPHAN_SECONDS", 0.6)

    async def whole() -> None:
        one = Role(home)
        await asyncio.wait_for(one.duty.do(), 10)
        assert one.duty.orphaned and one.drained == [0]

    asyncio.run(whole())
