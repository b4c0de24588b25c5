"""Checks that a peer is a true pipe: python3 relay.py PEER...   (names under peers/, or folders)

The checks are those of the project's tests, in tests/services/relaying.py; here they run against any peer.
"""
import argparse
import pathlib
import sys

import run

sys.path.append(str(pathlib.Path(__file__).parents[2]))

from tests.services.relaying import CHECKS, Store
from tests.services.scripted import Scripted


def check(peer: str, work: str) -> dict[str, str]:
    """What each check found of a peer."""
    folder = peer if "/" in peer else f"{run.HERE}/peers/{peer}"
    arguments = argparse.Namespace(work=work, users=1000, mode="pinned", base=0, keep=False)
    bench, store, found = run.Bench(arguments), Store(), {}
    with Scripted(store) as scripted:
        run.BACKEND["imap"] = scripted.port
        bench.start_peer(folder)
        try:
            bench.wait_ready(["imap"])
            for name, look in CHECKS.items():
                try:
                    found[name] = look(store, "127.0.0.1", run.LISTEN["imap"])
                except (AssertionError, OSError) as error:
                    found[name] = f"FAILED: {error}"
        finally:
            bench.stop()
    return found


def main() -> bool:
    """Print a table; true if anything failed."""
    for ports in (run.BACKEND, run.LISTEN):
        ports.update((name, port + 21000) for name, port in ports.items())
    failed = False
    for peer in sys.argv[1:]:
        found = check(peer, "/tmp/mailbench-relay")
        failed |= any(text.startswith("FAILED") for text in found.values())
        print(f"{peer:16}", "; ".join(f"{name}: {text}" for name, text in found.items()), flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
