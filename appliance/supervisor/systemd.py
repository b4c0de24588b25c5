"""What the supervisor says to systemd: ready, stopping, and "keep these sockets for me" (sd_notify(3)).

Must do nothing where systemd did not start us. With the sockets in the descriptor store they survive a restart of the
supervisor itself; systemd hands them back by LISTEN_FDS (sd_listen_fds(3)).
"""

from __future__ import annotations

import os
import socket

from appliance.messages import ListenerSpec

FIRST_DESCRIPTOR = 3


def notify(state: str, descriptors: list[int] | None = None) -> None:
    """One datagram to systemd, with descriptors to store."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to_systemd:
        to_systemd.connect(address)
        socket.send_fds(to_systemd, [state.encode()], descriptors or [])


def store(spec: ListenerSpec, sockets: list[socket.socket]) -> None:
    """Let systemd keep the sockets of one address."""
    notify(f"FDSTORE=1\nFDNAME={_name(spec)}", [listener.fileno() for listener in sockets])


def forget(spec: ListenerSpec) -> None:
    """Let systemd close the sockets of an address that is no longer wanted."""
    notify(f"FDSTOREREMOVE=1\nFDNAME={_name(spec)}")


def stored() -> dict[ListenerSpec, list[socket.socket]]:
    """The sockets that an earlier supervisor left with systemd."""
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return {}
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    found: dict[ListenerSpec, list[socket.socket]] = {}
    for descriptor, name in enumerate(names[: int(os.environ.pop("LISTEN_FDS", "0"))], FIRST_DESCRIPTOR):
        os.set_inheritable(descriptor, False)
        found.setdefault(_spec(name), []).append(socket.socket(fileno=descriptor))
    return found


def _name(spec: ListenerSpec) -> str:
    # A name may hold neither ":" nor spaces, and at most 255 octets.
    return f"{spec.service}.{'tls' if spec.tls else 'clear'}.{spec.address.encode().hex()}"


def _spec(name: str) -> ListenerSpec:
    service, mode, address = name.split(".", 2)
    return ListenerSpec(service, bytes.fromhex(address).decode(), mode == "tls")
