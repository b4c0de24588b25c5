"""Many sessions at once, by the bench's load generator: no error, no lost octet. How fast is asked elsewhere."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.conftest import NewNode
from tests.services.ports import free_port

BENCH = Path(__file__).parents[1] / "bench"
USERS = 100
SCENARIOS = {
    "log-ins": ["-c", "50", "-n", "1500", "imap-login"],
    "round trips": ["-c", "50", "-n", "10000", "imap-noop"],
    "small fetches": ["-c", "16", "-n", "2000", "-s", "65536", "imap-fetch"],
    "large fetches": ["-c", "4", "-n", "24", "-s", "16777216", "imap-fetch"],
    "uploads": ["-c", "8", "-n", "200", "-s", "1048576", "imap-append"],
}


@pytest.fixture(scope="module")
def store() -> Iterator[int]:
    """The bench's store, on a port; it accepts anybody."""
    subprocess.run(["make", "-s", "-C", str(BENCH)], check=True)
    ports = [free_port() for _ in range(3)]
    with subprocess.Popen([str(BENCH / "backend"), *map(str, ports)], stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"ready\n"
        yield ports[0]
        process.terminate()


@pytest.mark.parametrize("way", ["clear", "tls"])
def test_no_errors(new_node: NewNode, store: int, way: str) -> None:
    node = new_node(backend=[{"name": "alpha", "imap": f"127.0.0.1:{store}"}],
                    people={f"user{number}@example.test": "alpha" for number in range(USERS)},
                    limits={"preauth_per_address": 512, "drain_seconds": 2})
    node.start()
    port, tls = (node.imaps, ["-T"]) if way == "tls" else (node.imap, [])
    for name, words in SCENARIOS.items():
        command = [str(BENCH / "load"), *tls, "-u", str(USERS), "-t", "60", *words, node.host, str(port)]
        result = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=90).stdout)
        assert result["errors"] == 0, f"{name}: {result}"
        assert result["ops"] >= int(words[3]), f"{name} did not end in time"
