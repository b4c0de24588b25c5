"""What the tests run on a machine of theirs: `store`, which logs anybody in, and `session`, a client under TLS.

`store` prints its port. `session` prints the answer to its log-in, then to each command that comes on standard input;
`(closed)` when there is no more.
"""

from __future__ import annotations

import ssl
import sys
import time

from tests.services.scripted import Scripted, honest
from tests.services.talk import Talk

ANYBODY = ("maria@example.test", "pw")


def store() -> None:
    """Serve for ever."""
    with Scripted(honest()) as scripted:
        print(scripted.port, flush=True)
        time.sleep(1e6)


def session() -> None:
    """Log in and do as told."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with Talk("127.0.0.1", 993, tls=context) as talk:
        talk.line()
        print(talk.plain(*ANYBODY)[-1].decode(), flush=True)
        for command in sys.stdin:
            try:
                print(talk.ask(command.strip().encode())[-1].decode(), flush=True)
            except (EOFError, OSError):
                print("(closed)", flush=True)
                return


if __name__ == "__main__":
    {"store": store, "session": session}[sys.argv[1]]()
