"""The roles' connections to the supervisor: accepts them, checks whose they are, decodes what they say.

Must never act on a message itself: it hands each to the supervisor, with the instance that sent it.
"""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable

import msgspec

from appliance import messages, packets
from appliance.home import Home
from appliance.supervisor.roles import ROLES, Instance, allowed_users

Obey = Callable[[Instance, messages.FromRole], None]


class Links:
    """One SEQPACKET connection for each instance of a role."""

    def __init__(self, home: Home, selector: selectors.BaseSelector, instances: list[Instance], obey: Obey) -> None:
        self._selector = selector
        self._instances = instances  # the supervisor's own list: a Hello from systemd's children adds to it
        self._obey = obey
        self._allowed = allowed_users(home)
        server = packets.listen(home.supervisor_sock, 0o666)  # who may speak is checked by SO_PEERCRED
        selector.register(server, selectors.EVENT_READ, self._greet)

    def tell(self, message: messages.Message) -> None:
        """One message to all."""
        for instance in self._instances:
            if instance.link is not None:
                packets.send(instance.link, message)

    def hang_up(self, instance: Instance) -> None:
        """Close an instance's connection, if it has one."""
        if instance.link is not None:
            self._close(instance.link)
            instance.link = None

    def _close(self, link: socket.socket) -> None:
        self._selector.unregister(link)
        link.close()

    def _greet(self, server: socket.socket) -> None:
        try:
            link, _ = server.accept()
        except OSError:  # it is gone already, or we are out of descriptors
            return
        link.setblocking(False)
        if packets.peer_of(link)[1] in self._allowed:
            self._selector.register(link, selectors.EVENT_READ, self._hear)
        else:
            link.close()

    def _hear(self, link: socket.socket) -> None:
        if link.fileno() < 0:
            return  # hung up on a moment ago, by what another one said
        received = packets.receive(link)
        if received is None:
            return
        packet, descriptors = received
        for descriptor in descriptors:
            os.close(descriptor)  # roles send none
        instance = next((one for one in self._instances if one.link is link), None)
        message = _decode(packet)
        if isinstance(message, messages.Hello):
            instance = self._introduce(link, message)
        if instance is None or not packet:
            self._lose(link, instance)
        elif message is not None:
            self._obey(instance, message)

    def _lose(self, link: socket.socket, instance: Instance | None) -> None:
        if instance is None:
            self._close(link)
            return
        self.hang_up(instance)
        if instance.process is None:
            self._instances.remove(instance)

    def _introduce(self, link: socket.socket, hello: messages.Hello) -> Instance | None:
        """Who says hello. None for a role that we do not know, and for one that takes the name of a child of ours."""
        instance = next((one for one in self._instances if one.name == hello.instance), None)
        if hello.role not in ROLES:
            return None
        if instance is None:
            instance = Instance(hello.role, hello.instance)
            self._instances.append(instance)
        elif instance.process is not None and instance.process.pid != packets.peer_of(link)[0]:
            return None
        if instance.link is not link:
            self.hang_up(instance)
        instance.link = link
        return instance


def _decode(packet: bytes) -> messages.FromRole | None:
    try:
        return messages.decode_from_role(packet) if packet else None
    except msgspec.DecodeError:
        return None  # of a newer release: not for us
