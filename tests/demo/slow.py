"""A way to a store that takes its time: connections are passed on after a pause. For a store that is slow, not down."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self

from tests.services.ports import free_port


class SlowWay:
    """Listens on `port`, and passes on to a store's `target`, `seconds` after somebody came."""

    def __init__(self, host: str, target: int, seconds: float) -> None:
        self.port = free_port(host)
        self._host, self._target, self._seconds = host, target, seconds

    def __enter__(self) -> Self:
        self._server = socket.create_server((self._host, self.port))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        time.sleep(self._seconds)
        with contextlib.suppress(OSError):
            store = socket.create_connection((self._host, self._target))
            threading.Thread(target=_copy, args=(store, client), daemon=True).start()
            _copy(client, store)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while octets := source.recv(65536):
            target.sendall(octets)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
