"""Who is let in, what is counted, and that nobody who is not learns why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncssh
import pytest

from tests.tui.sshd.world import World, soon
from tui.sshd.server import Server


class Answers(asyncssh.SSHClient):
    """A client that answers both questions, each time with the next pair."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self.pairs = list(pairs)
        self.prompts: list[Sequence[tuple[str, bool]]] = []

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(self, name: str, instructions: str, lang: str,
                                  prompts: Sequence[tuple[str, bool]]) -> list[str] | None:
        self.prompts.append(prompts)
        return list(self.pairs.pop(0)) if self.pairs else None


async def by_password(world: World, name: str, *pairs: tuple[str, str]) -> asyncssh.SSHClientConnection:
    return await world.connect(name, client_keys=None, client_factory=lambda: Answers(*pairs),
                               preferred_auth="keyboard-interactive")


def test_a_key_that_the_controller_knows_lets_in(world: World) -> None:
    world.program("print('hello', *__import__('sys').argv[1:])")

    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            done = await connection.run("map list")
        assert (done.stdout, done.exit_status) == ("hello map list\n", 0)
        entered = next(one for one in world.controller.asked if one["do"] == "console enter")
        assert entered["name"] == "maria" and entered["client"].startswith("127.") and not entered.get("locked")
        assert entered["by"] == "key"

    world.tell(story)


def test_another_key_and_another_name_do_not(world: World) -> None:
    async def story(_: Server) -> None:
        other = asyncssh.generate_private_key("ssh-ed25519")
        for name, key in (("maria", other), ("jonas", world.key), ("x" * 900, world.key)):
            with pytest.raises(asyncssh.PermissionDenied):
                await world.connect(name, client_keys=[key])
        await soon(lambda: [one for one in world.controller.asked if one.get("failed")], "the controller is told")
        assert world.controller.count("console enter") == 0

    world.tell(story)


def test_password_and_code_are_asked_in_one_round_and_both_needed(world: World) -> None:
    world.program("print('in')")

    async def story(_: Server) -> None:
        async with await by_password(world, "jonas", ("secret pass", "123 456")) as connection:
            assert (await connection.run("status")).stdout == "in\n"
        entered = world.controller.asked[-1]
        assert not entered.get("locked") and entered["by"] == "password"
        for pair in (("secret pass", ""), ("", "123456"), ("wrong", "123456")):
            with pytest.raises((asyncssh.PermissionDenied, asyncssh.DisconnectError)):
                await by_password(world, "jonas", pair)

    world.tell(story)


def test_the_third_failure_ends_the_connection(world: World) -> None:
    async def story(_: Server) -> None:
        client = Answers(*[("wrong", "")] * 9)
        with pytest.raises(asyncssh.DisconnectError, match="too many failures"):
            await world.connect("nobody", client_keys=None, client_factory=lambda: client,
                                preferred_auth="keyboard-interactive")
        assert world.controller.count("console password") == 3
        assert all(prompts == client.prompts[0] for prompts in client.prompts)

    world.tell(story)


def test_an_agent_with_many_keys_is_told_what_to_do(world: World) -> None:
    async def story(_: Server) -> None:
        keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(14)]
        with pytest.raises(asyncssh.DisconnectError, match="IdentitiesOnly"):
            await world.connect(client_keys=keys)

    world.tell(story)


def test_who_is_banned_is_not_even_greeted(world: World) -> None:
    world.controller.allowed = False

    async def story(_: Server) -> None:
        with pytest.raises((asyncssh.ConnectionLost, ConnectionResetError)):
            await world.connect()
        assert world.controller.count("console key") == 0

    world.tell(story)


def test_a_controller_that_is_away_is_no_wrong_password(world: World) -> None:
    world.controller.close()

    async def story(_: Server) -> None:
        with pytest.raises(asyncssh.DisconnectError, match="does not answer"):
            await world.connect()
        with pytest.raises(asyncssh.DisconnectError, match="does not answer"):
            await by_password(world, "jonas", ("secret pass", "123456"))

    world.tell(story)


def test_forwarding_of_every_kind_is_refused(world: World) -> None:
    async def story(_: Server) -> None:
        async with await world.connect() as connection:
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", 22)
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_unix_connection(str(world.home.control_sock))
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 22)
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.forward_remote_path("/tmp/x", "/tmp/y")

    world.tell(story)


def test_agent_and_x11_are_refused(world: World) -> None:
    world.program("import os; print('SSH_AUTH_SOCK' in os.environ, 'DISPLAY' in os.environ)")

    async def story(_: Server) -> None:
        async with await world.connect(agent_forwarding=True) as connection:
            assert (await connection.run("status")).stdout == "False False\n"
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.run("status", x11_forwarding=True, x11_auth_path=str(world.folder / "none"))

    world.tell(story)


def test_who_says_nothing_has_to_make_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.sshd.server.WAITING", 3)
    world.program("print('in')")

    async def story(server: Server) -> None:
        silent = []
        for number in range(6):
            reader, writer = await asyncio.open_connection("127.0.0.41", world.port,
                                                           local_addr=(f"127.0.1.{number + 1}", 0))
            silent.append((reader, writer))
            assert (await reader.readline()).startswith(b"SSH-2.0-Postern")
        async with await world.connect() as connection:
            assert (await connection.run("status")).stdout == "in\n"
        first = silent[0][0]
        await asyncio.wait_for(first.read(), 5)  # hung up on
        for _, writer in silent:
            writer.close()

    world.tell(story)


def test_one_address_cannot_take_all_places(world: World) -> None:
    async def story(server: Server) -> None:
        held = [await asyncio.open_connection("127.0.0.41", world.port) for _ in range(12)]
        greeted = await asyncio.gather(*(reader.readline() for reader, _ in held))
        assert sum(bool(line) for line in greeted) == 8
        for _, writer in held:
            writer.close()

    world.tell(story)


def test_who_waits_too_long_at_the_door_is_sent_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.sshd.server.LOGIN_SECONDS", 0.3)

    async def story(_: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.41", world.port)
        await asyncio.wait_for(reader.read(), 5)
        writer.close()

    world.tell(story)
