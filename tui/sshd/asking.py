"""The one connection to the controller on which this server asks; each question has a conversation opened on it.

The controller takes one connection of this server's user at a time: whoever holds it decides who administrators are. So
it is taken at the start, kept, and taken again at once when the controller starts anew. Must never be open in a child.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
from typing import Any, BinaryIO, Final, cast

import msgspec

from appliance.control.api import Refused, Request
from appliance.control.client import LOST, Client, reach
from appliance.home import Home

SECONDS: Final = 15.0  # for an answer: a password is hashed, and may wait for others
PATIENCE: Final = 2.0  # seconds that a question waits for the connection: an older server may have yet to let go of it
AGAIN: Final = 0.05  # seconds until it is tried again: another process of this user must not come first

log = logging.getLogger("postern.console")


class Asking:
    """Threads may share it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._first: socket.socket | None = None
        self._over = False
        self._said = ""
        self._changed = threading.Condition()
        self._keeper = threading.Thread(target=self._keep, name="asking", daemon=True)
        self._keeper.start()

    def close(self) -> None:
        """Ask no more, and let another server ask."""
        with self._changed:
            self._over = True
            self._let_go()
        self._keeper.join(PATIENCE)

    def ask(self, request: Request, file: socket.socket | None) -> Any:
        """The value of the answer. Raises Refused, OSError, msgspec.DecodeError."""
        link = self._opened()
        link.settimeout(SECONDS)
        with Client.on(link) as client:
            return client.ask(request, cast(BinaryIO | None, file)).value

    def _opened(self) -> socket.socket:
        """A conversation for one question; one more attempt if the controller has just gone."""
        try:
            return self._open()
        except Refused as refused:
            if refused.status != LOST:
                raise
            return self._open()

    def _open(self) -> socket.socket:
        with self._changed:
            self._changed.wait_for(lambda: self._first is not None or self._over, PATIENCE)
            if self._first is None:
                raise ConnectionError(self._said or "this server asks no more")
            try:
                return Client.on(self._first).more()
            except Refused as refused:
                if refused.status == LOST:
                    self._let_go()
                raise
            except (OSError, msgspec.DecodeError):  # late, or out of step: its next answer would be another's
                self._let_go()
                raise

    # --- the connection -------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._over:
            try:
                with reach(self._home, SECONDS) as connection:
                    self._hold(connection)
            except (Refused, OSError, msgspec.DecodeError) as error:
                self._say(error.text if isinstance(error, Refused) else str(error))
            with self._changed:
                self._changed.wait_for(lambda: self._over, AGAIN)

    def _hold(self, connection: socket.socket) -> None:
        """Until it ends. Raises Refused where another process holds it, OSError, msgspec.DecodeError."""
        Client.on(connection).more().close()  # the proof that we are the one who asks
        with self._changed:
            if self._over:
                return
            self._first, self._said = connection, ""
            self._changed.notify_all()
        ended = select.poll()
        ended.register(connection, select.POLLRDHUP)  # not what can be read: that is for who asks
        ended.poll()
        with self._changed:
            self._first = None

    def _let_go(self) -> None:
        """Its keeper wakes up by this, and closes it."""
        if self._first is not None:
            with contextlib.suppress(OSError):  # it has ended already
                self._first.shutdown(socket.SHUT_RDWR)
            self._first = None
        self._changed.notify_all()

    def _say(self, why: str) -> None:
        if why != self._said:
            self._said = why
            log.warning("nobody can log in until the controller listens to this server: %s", why)
