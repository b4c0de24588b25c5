"""What a process says to the systemd that started it (sd_notify(3)).

Must do nothing where systemd did not, and never end who speaks: a systemd that does not hear is its own loss.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence


def notify(state: str, descriptors: Sequence[int] = ()) -> None:
    """One datagram of assignments, with descriptors to keep."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to_systemd:
        try:
            to_systemd.connect(address)
            socket.send_fds(to_systemd, [state.encode()], list(descriptors))
        except OSError as error:
            print(f"systemd could not be told {state.split()[0]}: {error}", file=sys.stderr, flush=True)
