"""What the supervisor, or a unit, starts: `python -m appliance.sessions --home HOME --instance NAME`."""

from __future__ import annotations

import argparse
import os
import sys

from appliance.home import Home
from appliance.sessions.parent import Parent


def main() -> int:
    """Serve until told to drain. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="postern-sessions")
    parser.add_argument("--home")
    parser.add_argument("--instance", default=f"sessions-{os.getpid()}")
    given = parser.parse_args()
    return Parent(Home.find(given.home), given.instance).run()


if __name__ == "__main__":
    sys.exit(main())
