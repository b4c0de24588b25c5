"""What is offered to strangers: ssh-audit finds nothing to fail, and warns of age alone."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.tui.sshd.world import HOST, World
from tui.sshd.server import ALGORITHMS, Server

PROGRAM = str(Path(sys.executable).with_name("ssh-audit"))


# what OpenSSH before 9.9 speaks, and Debian 12's is one of them
OLDER = "does not provide protection against post-quantum attacks"


def test_only_algorithms_without_blemish(world: World) -> None:
    async def story(_: Server) -> None:
        audit = await asyncio.create_subprocess_exec(
            PROGRAM, "--json", "--skip-rate-test", "-p", str(world.port), HOST, stdout=asyncio.subprocess.PIPE)
        output = (await audit.communicate())[0]
        found = json.loads(output)
        offered = {kind: [one["algorithm"] for one in found[kind]] for kind in ("kex", "key", "enc", "mac")}
        blemishes = [(one["algorithm"], note) for kind in offered for one in found[kind]
                     for note in one["notes"].get("fail", []) + one["notes"].get("warn", []) if note != OLDER]
        assert blemishes == []
        markers = {"ext-info-s", "kex-strict-s-v00@openssh.com"}
        assert set(offered["kex"]) - markers == set(ALGORITHMS["kex_algs"])
        assert offered["key"] == ["ssh-ed25519"]
        assert found["banner"]["raw"] == "SSH-2.0-Postern"

    world.tell(story)
