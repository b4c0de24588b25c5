"""The listening sockets in the keeping of systemd: "keep these for me", "let go of those" (sd_notify(3)).

Must do nothing where systemd did not start us. With the sockets in the descriptor store they survive a restart of the
supervisor itself; systemd hands them back by LISTEN_FDS (sd_listen_fds(3)).
"""

from __future__ import annotations

import os
import socket

from appliance.messages import ListenerSpec
from appliance.sdnotify import notify

FIRST_DESCRIPTOR = 3


def store(spec: ListenerSpec, sockets: list[socket.socket]) -> None:
    """Let systemd keep the sockets of one address."""
    notify(f"FDSTORE=1\nFDNAME={_name(spec)}", [listener.fileno() for listener in sockets])


def forget(spec: ListenerSpec) -> None:
    """Let systemd close the sockets of an address that is no longer wanted."""
    notify(f"FDSTOREREMOVE=1\nFDNAME={_name(spec)}")


def stored(copies: int) -> dict[ListenerSpec, list[socket.socket]]:
    """The sockets that an earlier supervisor left with systemd; those it cannot use any more are closed."""
    found: dict[ListenerSpec, list[socket.socket]] = {}
    for descriptor, name in _handed_back():
        os.set_inheritable(descriptor, False)
        try:
            spec = _spec(name)
        except ValueError:  # of another release, or of somebody else
            os.close(descriptor)
            continue
        found.setdefault(spec, []).append(socket.socket(fileno=descriptor))
    for spec in [spec for spec, sockets in found.items() if len(sockets) != copies]:  # as many as cores were then
        for listener in found.pop(spec):
            listener.close()
        forget(spec)
    return found


def _handed_back() -> list[tuple[int, str]]:
    pid, count, names = (os.environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    named = [*names.split(":"), *[""] * int(count)]
    return list(enumerate(named[: int(count)], FIRST_DESCRIPTOR))


def _name(spec: ListenerSpec) -> str:
    # A name may hold neither ":" nor spaces, and at most 255 octets.
    return f"{spec.service}.{'tls' if spec.tls else 'clear'}.{spec.address.encode().hex()}"


def _spec(name: str) -> ListenerSpec:
    service, mode, address = name.split(".", 2)
    return ListenerSpec(service, bytes.fromhex(address).decode(), mode == "tls")
