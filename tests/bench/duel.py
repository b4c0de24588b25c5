"""Compares two proxies that run at the same time, for machines that are never quiet.

    python3 duel.py PEER_A PEER_B SCENARIO...

Both are pinned to the same core, each with its own back-end and load generator
on the other, so that whatever disturbs one disturbs both.  The ratio of CPU
times per operation is then far steadier than either figure.  Wall rates of a
duel mean nothing, except against each other.
"""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = int(os.environ.get("BASE", "21000"))    # of the ports, see run.py --base


def duel(a, b, scenarios):
    """What run.py found of each scenario: {scenario: (of a, of b)}."""
    subprocess.run(["make", "-s"], cwd=HERE, check=True)
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for peer, base, name in ((a, BASE, "a"), (b, BASE + 4000, "b")):
            command = [sys.executable, HERE + "/run.py", peer, *scenarios, "--base", str(base), "--seconds", "2",
                       "--repeat", os.environ.get("REPEAT", "3"), "--users", os.environ.get("USERS", "1000000"),
                       "--json", f"{folder}/{name}"]
            runs.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        codes = [p.wait() for p in runs]
        if any(codes):
            raise SystemExit("a run failed or had errors: try each with run.sh")
        results = []
        for name in ("a", "b"):
            with open(f"{folder}/{name}") as f:
                results.append({r["name"]: r for r in map(json.loads, f)})
    return {s: (results[0][s], results[1][s]) for s in scenarios}


def show(scenario, x, y):
    return (f"{scenario:20} {x['peer']} {x['cpu_us']:.1f} us, {y['peer']} {y['cpu_us']:.1f} us per operation: "
            f"{x['cpu_us'] / y['cpu_us']:.2f}   (p50 {x['p50_us'] / 1000:.2f} and {y['p50_us'] / 1000:.2f} ms, "
            f"errors {x['errors']:.0f} and {y['errors']:.0f})")


def main():
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    for scenario, (x, y) in duel(sys.argv[1], sys.argv[2], sys.argv[3:]).items():
        print(show(scenario, x, y))


if __name__ == "__main__":
    main()
