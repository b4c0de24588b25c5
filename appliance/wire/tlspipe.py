"""TLS over memory: octets in, octets out, no socket. For both roles, in conversation and in relay.

All connections of a worker share one pair of memory BIOs, because each call here leaves both empty: what came in is
taken by the TLS engine to the last octet (a partial record waits inside it), what it wants sent is returned or kept
in `owed`. So an idle session has no buffers, and bulk runs through memory that is in the cache.
Must never leave octets in a BIO: they would reach another session. One thread only.
"""

from __future__ import annotations

import ssl
from typing import Final

Octets = bytes | memoryview
RECORD: Final = 16384  # the most plaintext that one record holds (RFC 8446 5.1)

_incoming: Final = ssl.MemoryBIO()
_outgoing: Final = ssl.MemoryBIO()


class TlsPipe:
    """One TLS connection. `ended`: the peer said that it sends no more (close_notify)."""

    __slots__ = ("_read", "_write", "done", "early", "ended", "engine", "owed")

    def __init__(self, context: ssl.SSLContext, *, server: bool, name: str | None = None) -> None:
        self.engine = context.wrap_bio(_incoming, _outgoing, server_side=server, server_hostname=name)
        self._read = self.engine.read
        self._write = self.engine.write
        self.done = False  # the handshake
        self.ended = False
        self.early = b""
        self.owed = b""  # to be sent to the peer: handshake, alerts, key updates

    def shake(self, data: Octets) -> bool:
        """Take the handshake further. True once it is done, with what came right behind it in `early`.

        What must be sent is in `owed` either way. Raises ssl.SSLError, with the alert for the peer in `owed`.
        """
        try:
            _incoming.write(data)
            self.engine.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass
        finally:
            self.owed += _outgoing.read()
            if _incoming.pending and not self.done:
                _incoming.read()  # it failed: nobody will read the rest
        if self.done and _incoming.pending:
            self.early = self.opened(b"")
        return self.done

    def opened(self, data: Octets) -> bytes:
        """The plaintext in `data` and in what came before it; sets `ended` at close_notify. Raises ssl.SSLError."""
        parts = []
        try:
            _incoming.write(data)
            plain = self._read(RECORD)
            if plain and not _incoming.pending:
                return plain
            while plain:
                parts.append(plain)
                if not _incoming.pending:
                    break
                plain = self._read(RECORD)
            else:
                self.ended = True
        except ssl.SSLWantReadError:
            pass
        finally:
            self._settle()
        return b"".join(parts)

    def opened_into(self, data: Octets, room: memoryview) -> int:
        """As `opened`, for bulk: all records of `data` into `room`, which is as large. Returns the count."""
        count = 0
        try:
            _incoming.write(data)
            while _incoming.pending:
                if not (got := self.engine.read(RECORD, room[count:])):
                    self.ended = True
                    break
                count += int(got)
        except ssl.SSLWantReadError:
            pass
        finally:
            self._settle()
        return count

    def sealed(self, data: Octets) -> bytes:
        """The records that carry `data`. Raises ssl.SSLError."""
        try:
            self._write(data)
        finally:
            records = _outgoing.read()
        if self.owed:
            records, self.owed = self.owed + records, b""
        return records

    def take_owed(self) -> bytes:
        """What must be sent to the peer, handed over."""
        owed, self.owed = self.owed, b""
        return owed

    def farewell(self) -> bytes:
        """The close_notify, and what was owed before it."""
        try:
            self.engine.unwrap()
        except ssl.SSLError:
            pass  # the peer's own close_notify is not waited for
        finally:
            self._settle()
        return self.take_owed()

    def _settle(self) -> None:
        """Leave both BIOs empty."""
        if _outgoing.pending:
            self.owed += _outgoing.read()
        if _incoming.pending:
            _incoming.read()
