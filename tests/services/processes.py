"""What the kernel knows of processes: who begot whom, in which state, how much memory."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path


def _status(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent ...; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """Children, their children and so on; parents first."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _status(int(entry.name))) and fields[0] != "Z":
            children[int(fields[1])].append(int(entry.name))
    found = sorted(children[pid])
    for child in found:
        found.extend(sorted(children[child]))
    return found


def memory(pids: list[int]) -> int:
    """Octets that these processes really use together (PSS)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().split("\n"):
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used."""
    return sum(map(int, _status(pid)[11:13])) / 100


def descriptors(pid: int) -> int:
    """Open descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
