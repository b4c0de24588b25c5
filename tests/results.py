"""Turns pytest's JUnit report into tests/RESULTS.md: what `tests/run --long` last saw, and on which machine.

    python tests/results.py REPORT "NAMES OF FAILED CHECKS" > tests/RESULTS.md

Must never decide anything: it only prints what happened.
"""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

SLOWEST = 15


def first_line(*command: str) -> str:
    """What a program says first; empty when it is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().split("\n")[0]
    except FileNotFoundError:
        return ""


def machine() -> list[str]:
    """The lines that name the machine and the programs tested with."""
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().split("\n")
                if line.startswith("model name")), platform.machine())
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return [
        f"- {os.cpu_count()} cores of {cpu}; {system}, Linux {platform.release()}, Python {platform.python_version()}",
        f"- Dovecot {first_line('dovecot', '--version')}; {first_line('mbsync', '--version')}; "
        f"{' '.join(first_line('curl', '--version').split()[:2])}; {first_line('openssl', 'version')}",
    ]


def main(report: str, failed: str) -> None:
    """Print the page."""
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    folders: dict[str, list[float]] = defaultdict(list)
    for case in cases:
        folders[".".join(case.get("classname", "").split(".")[:2])].append(float(case.get("time", 0)))
    today = datetime.datetime.now(datetime.UTC).date()
    print("# The last run of `tests/run --long`\n")
    print(f"{today}, at commit {first_line('git', 'rev-parse', '--short', 'HEAD')}: {len(cases) - len(bad)} of "
          f"{len(cases)} tests passed, none skipped. Checks that failed: {failed.strip() or 'none'}.\n")
    print("\n".join(machine()))
    print("\n| Tests | number | seconds |\n|---|---:|---:|")
    for folder, times in sorted(folders.items()):
        print(f"| {folder} | {len(times)} | {sum(times):.1f} |")
    print("\n| Slowest | seconds |\n|---|---:|")
    for case in sorted(cases, key=lambda case: -float(case.get("time", 0)))[:SLOWEST]:
        where = case.get("classname", "").removeprefix("tests.")
        print(f"| {where}: {case.get('name')} | {float(case.get('time', 0)):.1f} |")
    for case in bad:
        print(f"\nFailed: {case.get('classname')}: {case.get('name')}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
