"""What the import contracts of pyproject.toml cannot say: no cycles, and what a worker process really loads."""

from __future__ import annotations

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import grimp

NEVER_IN_A_WORKER = ("textual", "asyncssh", "ldap3", "asyncio", "appliance.control", "appliance.cli", "tui", "rich")


def test_no_import_cycles() -> None:
    # what is imported for type checkers alone never runs, so it cannot be half-made
    graph = grimp.build_graph("appliance", "db", "tui", cache_dir=None, exclude_type_checking_imports=True)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        order = list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        raise AssertionError(f"import cycle: {' <- '.join(error.args[1])}") from None
    assert len(order) == len(imports)


def test_a_worker_loads_nothing_that_it_does_not_need() -> None:
    program = "import sys, appliance.sessions; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name for name in run.stdout.split("\n") for never in NEVER_IN_A_WORKER
              if name == never or name.startswith(never + ".")}
    assert not loaded
