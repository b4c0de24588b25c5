"""A stopped node's only writer: carries out requests in the process of the command that asks.

Must never run beside a controller: it holds the home's lock while it lives.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Generator
from typing import BinaryIO

from appliance.control.api import Reply, Request
from appliance.control.commands import answer
from appliance.control.lock import take
from appliance.control.node import By, Node
from appliance.home import Home


class Alone:
    """The way to a node that does not run."""

    def __init__(self, home: Home) -> None:
        """Raises InUse if the home has a writer, Refused if it cannot be opened."""
        self._lock = take(home)
        try:
            self._node = Node.open(home)
        except BaseException:  # raised on: nobody else would give the lock back
            os.close(self._lock)
            raise

    def replies(self, request: Request, file: BinaryIO | socket.socket | None) -> Generator[Reply, None, None]:
        """See appliance.control.commands.answer. No socket is of use here: nobody could go on speaking on it."""
        return answer(self._node, _myself(), request, None if isinstance(file, socket.socket) else file)

    def close(self) -> None:
        """Close the database, give the lock back."""
        self._node.close()
        os.close(self._lock)


def _myself() -> By:
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    return By(name, "this machine, node stopped")
