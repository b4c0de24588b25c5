"""Files on their way: what is cut short vanishes, whoever may not send is told, what is full says so."""

from __future__ import annotations

import os
from pathlib import Path

import asyncssh
import pytest

from tests.tui.sshd.world import World, soon
from tui.sshd.server import Server


def names(world: World) -> list[str]:
    """What lies in the folder, hidden or not."""
    return sorted(os.listdir(world.home.drop))


def test_a_file_that_is_cut_short_vanishes(world: World) -> None:
    async def story(_: Server) -> None:
        connection = await world.connect()
        sftp = await connection.start_sftp_client()
        file = await sftp.open("people.csv", "wb")
        await file.write(b"a" * 100_000)
        assert names(world)[0].startswith(".maria:people.csv.")
        connection.abort()
        await soon(lambda: names(world) == [], "it is gone")

    world.tell(story)


def test_a_client_that_closes_politely_in_the_middle_has_sent_it(world: World) -> None:
    async def story(_: Server) -> None:
        async with await world.connect() as connection, connection.start_sftp_client() as sftp:
            async with sftp.open("people.csv", "wb") as file:
                await file.write(b"a" * 100_000)
            assert names(world) == ["maria:people.csv"]
            assert (await sftp.stat("people.csv")).size == 100_000
            assert [one.filename for one in await sftp.readdir("/")] == ["people.csv"]

    world.tell(story)


def test_what_is_full_says_so_and_keeps_nothing(world: World) -> None:
    async def story(server: Server) -> None:
        server.drop.most = 1000
        async with await world.connect() as connection, connection.start_sftp_client() as sftp:
            with pytest.raises(asyncssh.SFTPError, match="at most 1,000 octets"):
                async with sftp.open("people.csv", "wb") as file:
                    await file.write(b"a" * 100_000)
        await soon(lambda: names(world) == [], "nothing stays")

    world.tell(story)


@pytest.mark.parametrize("attempt", ["read", "append", "symlink", "link", "mkdir", "readlink", "statvfs"])
def test_nothing_else_can_be_done(world: World, attempt: str) -> None:
    Path(world.home.drop / "maria:x").write_text("there")

    async def story(_: Server) -> None:
        async with await world.connect() as connection, connection.start_sftp_client() as sftp:
            with pytest.raises(asyncssh.SFTPError):
                match attempt:
                    case "read":
                        await sftp.open("x", "rb")
                    case "append":
                        await sftp.open("x", "ab")
                    case "symlink":
                        await sftp.symlink("/etc/passwd", "y")
                    case "link":
                        await sftp.link("x", "y")
                    case "mkdir":
                        await sftp.mkdir("y")
                    case "readlink":
                        await sftp.readlink("x")
                    case _:
                        await sftp.statvfs("/")
        assert names(world) == ["maria:x"]

    world.tell(story)
