"""What a worker carries: there is one for each core, so it loads nothing that it does not need."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.home import Home
from tests.services.processes import cpu_seconds, memory
from tests.sessions.role import FakeSupervisor, Role, serving

NEEDLESS = {"asyncio", "click", "rich", "sqlite_utils", "prometheus_client", "cryptography", "textual", "asyncssh",
            "ldap3", "tomllib", "tomli_w", "subprocess", "concurrent", "multiprocessing", "email", "http", "urllib3"}

MODULES = """
import json, sys
from pathlib import Path
import appliance.sessions.__main__
from appliance.home import Home
from appliance.sessions import compose
home = Home(Path(sys.argv[1]))
composed = compose.Composition(home, compose.load_certificates(home), lambda: None)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_a_worker_loads_nothing_of_the_controller_or_a_terminal(home: Home) -> None:
    run = subprocess.run([sys.executable, "-c", MODULES, str(home.path)], capture_output=True, text=True, check=True)
    loaded = set(json.loads(run.stdout))
    assert {"appliance", "ssl", "sqlite3"} <= loaded
    assert not loaded & NEEDLESS


@pytest.fixture
def idle(supervisor: FakeSupervisor, role: Callable[[], Role]) -> Role:
    """Two workers without a session."""
    started = role()
    serving(supervisor)
    return started


def test_a_worker_shares_most_of_its_memory(idle: Role) -> None:
    for pid in idle.workers():
        assert memory([pid]) < 14 * 1024 * 1024, "8.5 MB when this was written"


def test_who_forks_has_no_threads(idle: Role) -> None:
    assert len(list(Path(f"/proc/{idle.pid}/task").iterdir())) == 1


def test_idle_processes_sleep(idle: Role) -> None:
    """Time for one look at the clock each second, no more."""
    everyone = [idle.pid, *idle.workers()]
    time.sleep(1.5)
    before = {pid: (switches(pid), cpu_seconds(pid)) for pid in everyone}
    time.sleep(4)
    for pid, (woken, used) in before.items():
        assert switches(pid) - woken <= 4 * 3, "wakes up too often"
        assert cpu_seconds(pid) - used <= 0.03


def switches(pid: int) -> int:
    """How often a process has gone to sleep."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt_switches"))
