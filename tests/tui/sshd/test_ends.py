"""How sessions end, who gets none, and how many there may be."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import asyncssh
import pytest

from tests.supervisor.watching import is_alive
from tests.tui.sshd.test_visit import SHOWS, STAYS, on_terminal
from tests.tui.sshd.world import World, pids, soon
from tui.sshd import server as module
from tui.sshd.server import Server
from tui.sshd.visit import Visit


def test_who_types_nothing_for_long_is_sent_away_and_the_terminal_is_usable(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.program(STAYS)
    monkeypatch.setattr(Visit.__init__, "__defaults__", (0.5,))

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            process = await on_terminal(connection)
            output, error = await asyncio.wait_for(process.communicate(), 10)
            assert b"\x1b[?1049l" in output and b"half an hour" in output + error
            assert process.exit_status == 1
        await soon(lambda: not any(map(is_alive, pids(world.folder / "pids"))), "its child is gone")

    world.tell(story)


# --- ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("stubborn", [True, False])
def test_a_client_that_vanishes_leaves_no_child(world: World, terminal: bool, stubborn: bool) -> None:
    ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" if stubborn else ""
    world.program(ignore + STAYS)

    async def story(_: Server) -> None:
        connection = await world.connect()
        process = await on_terminal(connection) if terminal else await connection.create_process("x", encoding=None)
        assert b"here" in await process.stdout.read(100)
        connection.abort()
        (child,) = await soon(lambda: pids(world.folder / "pids"), "it runs")
        await soon(lambda: not is_alive(child), "it is gone")

    world.tell(story)


def test_a_server_that_stops_says_goodbye(world: World) -> None:
    world.program(STAYS)

    async def story(server: Server) -> None:
        async with await world.connect() as connection:
            process = await on_terminal(connection)
            assert b"here" in await process.stdout.read(100)
            stopping = asyncio.create_task(server.close())
            output, error = await asyncio.wait_for(process.communicate(), 10)
            assert b"stops" in output + error
            await stopping
        assert not any(map(is_alive, pids(world.folder / "pids")))

    world.tell(story)


def test_a_child_that_is_killed_restores_the_terminal(world: World) -> None:
    world.program(STAYS)

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            process = await on_terminal(connection)
            assert b"here" in await process.stdout.read(100)
            os.kill(pids(world.folder / "pids")[0], signal.SIGKILL)
            output, error = await asyncio.wait_for(process.communicate(), 10)
            assert b"\x1b[?1049l" in output and b"unexpectedly" in output + error and process.exit_status == 1

    world.tell(story)


# --- how many, and who not -------------------------------------------------------------------------------------------


def test_codes_lock_the_console_and_refuse_commands_and_files(world: World) -> None:
    world.program(SHOWS)
    world.controller.totp.add("maria")

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            done = await connection.run("map list")
            assert done.exit_status == 1 and "one-time code" in str(done.stderr)
            with pytest.raises((asyncssh.SFTPError, asyncssh.ChannelOpenError)):
                await connection.start_sftp_client()
            process = await on_terminal(connection)
            output, error = await process.communicate()
            assert not error
            assert json.loads(output.decode().splitlines()[0])[0] == ["tui"]
        entered = [one for one in world.controller.asked if one["do"] == "console enter"]
        assert [one.get("locked") for one in entered] == [True]

    world.tell(story)


def test_sessions_are_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS_EACH", 3)
    world.program(STAYS)

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            held = [await connection.create_process("x", encoding=None) for _ in range(3)]
            for process in held:
                assert b"here" in await process.stdout.read(100)
            done = await connection.run("y")
            assert done.exit_status == 1 and "too many sessions" in str(done.stderr)
            held[0].close()
            await held[0].wait_closed()
            await soon(lambda: sum(map(is_alive, pids(world.folder / "pids"))) == 2, "its child is gone")
            process = await connection.create_process("z", encoding=None)
            assert b"here" in await process.stdout.read(100)

    world.tell(story)


def test_connections_of_one_administrator_are_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INSIDE_EACH", 2)

    async def story(_: Server) -> None:
        async with await world.connect(), await world.connect():
            with pytest.raises((asyncssh.DisconnectError, asyncssh.ChannelOpenError)):
                async with await world.connect() as third:
                    await third.run("x")
        assert world.controller.count("console enter") == 0

    world.tell(story)
