"""A direction of which one side, or both, speak TLS: all records of a read, then one write.

In TLS the end of one direction ends the session, once what was read has been written: Python's ssl cannot close
half a connection. Must never put plaintext on a side that speaks TLS.
"""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from typing import ClassVar, Final

from appliance.wire.flow import BULK, Flow, buffer, read, readv, view
from appliance.wire.loop import IN, RDHUP, READING
from appliance.wire.tlspipe import RECORD, TlsPipe

SMALL: Final = 4096  # octets of a small piece, at most

_plain: Final = memoryview(bytearray(BULK + 2 * RECORD))  # one for all; the engine may have had most of a record


class TlsFlow(Flow):
    """Decrypts what it reads, encrypts what it writes, or both."""

    __slots__ = ("opener", "sealer")

    half_closes: ClassVar = False
    opener: TlsPipe | None
    sealer: TlsPipe | None

    def ready(self, events: int) -> None:
        """The descriptor has something to read."""
        if events != IN:
            self.bulk(events)
            return
        try:
            data = read(self.fd, SMALL)
        except OSError as error:
            self.unreadable(error)
            return
        if len(data) == SMALL:
            self.relay.shared.loop.handlers[self.fd] = self.bulk
        try:
            if self.opener is not None:
                data = self.opener.opened(data)
            self.octets += len(data)
            if data and self.sealer is not None:
                data = self.sealer.sealed(data)
        except ssl.SSLError:
            self.relay.close()
            return
        if data:
            self.later(data)
        opener = self.opener
        if opener is not None and (opener.owed or opener.ended):
            self._answered(opener)

    def bulk(self, events: int) -> None:
        """As `ready`, through the large buffers, while there is much."""
        if events & ~READING:
            self.unusual(events)
            return
        try:
            size = readv(self.fd, (buffer,))
        except OSError as error:
            self.unreadable(error)
            return
        if not size:
            self.end()
            return
        data = view[:size]
        try:
            if self.opener is not None:
                data = _plain[: self.opener.opened_into(data, _plain)]
            self.octets += len(data)
            if data:
                sealed = data if self.sealer is None else self.sealer.sealed(data)
                if self.kept:
                    self.later(bytes(sealed))  # behind what TLS itself says in this batch
                else:
                    self.put(sealed)
        except ssl.SSLError:
            self.relay.close()
            return
        opener = self.opener
        if opener is not None and (opener.owed or opener.ended):
            self._answered(opener)
        if size < SMALL and not self.relay.over:
            self.relay.shared.loop.handlers[self.fd] = self.ready
            if events & RDHUP:
                self.bulk(events)  # the end is near: see it now

    def _answered(self, opener: TlsPipe) -> None:
        """The peer said goodbye, or TLS itself has something to say to it (an alert, a new key)."""
        if opener.owed and not self.relay.over:
            self.twin.later(opener.take_owed())
        if opener.ended and not self.ended and not self.relay.over:
            self.end()

    def outgoing(self, data: bytes) -> bytes:
        """Encrypted, if the other side speaks TLS."""
        return self.sealer.sealed(data) if data and self.sealer is not None else data

    def pass_on_the_end(self) -> None:
        """The session is over."""
        self.relay.close()

    def let_go(self) -> None:
        """The session is over: say close_notify (RFC 8446 6.1), if it can be had at once."""
        if self.opener is not None and not self.twin.blocked:
            with suppress(OSError):
                os.write(self.fd, self.opener.farewell())
