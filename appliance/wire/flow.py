"""One direction of a session after log-in. Knows no protocol.

Small pieces are copied one by one and sent at the end of the batch; bulk goes through one buffer that all sessions
share, at once, and more than that in the kernel (splice.py); with TLS: tlsflow.py. What the other side does not take
is kept, and this side is not read meanwhile. The end of one direction is passed on while the other goes on
(half-close).
Must never hold a buffer while idle, and never lose, double or reorder an octet.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, Final

from appliance.wire.loop import IN, OUT, RDHUP, READING
from appliance.wire.sockets import end_sending

if TYPE_CHECKING:
    from appliance.wire.leg import Leg
    from appliance.wire.relay import Relay

SMALL: Final = 1000  # octets of a small piece, at most: malloc's fast path (thread cache) serves it
BULK: Final = 256 * 1024
LARGE: Final = 65536  # a read of so many, or more, means that much more is to come
GRACE: Final = 60.0  # seconds of silence after which a session ends of which one direction has ended

buffer: Final = bytearray(BULK)  # one for all: what is read is passed on, or copied, before the next event
view: Final = memoryview(buffer)
read = os.read
readv = os.readv
write = os.write
writev = os.writev


class Flow:
    """One direction: what is read from `fd` is written to `to`. `twin` is the other."""

    __slots__ = ("blocked", "ended", "fd", "kept", "octets", "pipe", "reading", "relay", "sending", "to", "twin")

    half_closes: ClassVar = True  # one direction can end while the other goes on
    relay: Relay
    twin: Flow

    def __init__(self, fd: int, to: int) -> None:
        self.fd = fd
        self.to = to
        self.octets = 0
        self.kept: bytes | memoryview = b""  # read, and not yet taken by the other side, or not yet offered to it
        self.pipe: tuple[int, int] | None = None  # lent, while there is very much (splice.py)
        self.blocked = False  # the other side took no more
        self.ended = False  # nothing more will be read
        self.reading = True  # `fd` is watched for what it has,
        self.sending = False  # and for room: the twin waits for it

    # --- the usual: small pieces, copied ---

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
        size = len(data)
        self.octets += size
        if size == SMALL:
            self.more(data)
        else:
            self.kept = data
            self.relay.shared.loop.outgoing.append(self.pass_on)

    def pass_on(self) -> None:
        """Send what was read in this batch; what is the last, together with the end."""
        data = self.kept
        if not data:
            return  # the session ended meanwhile
        ends = self.ended and self.half_closes and not (self.relay.over or self.twin.ended)
        try:
            sent = end_sending(self.to, data) if ends else write(self.to, data)
        except OSError as error:
            sent = self.unwritable(error)
        if sent != len(data):
            self.keep(data[sent:])
            return
        self.kept = b""
        if ends:
            self.relay.limit = GRACE
        elif self.ended and not self.relay.over:
            self.pass_on_the_end()

    def later(self, data: bytes) -> None:
        """Send this, as it is, at the end of the batch, behind what is kept."""
        if not self.kept:
            self.relay.shared.loop.outgoing.append(self.pass_on)
            self.kept = data
        else:
            self.kept = bytes(self.kept) + data

    def bulk(self, events: int) -> None:
        """As `ready`, through the large buffer, while there is much."""
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
        self.octets += size
        if size < SMALL:
            self.little(size, events)
            return
        try:
            sent = write(self.to, view[:size])
        except OSError as error:
            sent = self.unwritable(error)
        if sent != size:
            self.keep(bytes(view[sent:size]))
        elif size >= LARGE:
            self.larger()

    def more(self, first: bytes) -> None:
        """A small piece was as long as it may be: what is behind it goes with it."""
        self.relay.shared.loop.handlers[self.fd] = self.bulk
        try:
            size = readv(self.fd, (buffer,))
        except OSError:
            size = 0
        if not size:  # nothing yet, or what the next event tells
            self.later(first)
            return
        self.octets += size
        try:
            sent = writev(self.to, (first, view[:size]))
        except OSError as error:
            sent = self.unwritable(error)
        if sent != SMALL + size:
            self.keep((first + view[:size])[sent:])
        elif size >= LARGE:
            self.larger()
        elif size < SMALL:
            self.relay.shared.loop.handlers[self.fd] = self.ready

    def little(self, size: int, events: int) -> None:
        """Back to small pieces, with the first of them in the buffer. If it is the last, that is seen now."""
        self.relay.shared.loop.handlers[self.fd] = self.ready
        self.later(bytes(view[:size]))
        if not events & RDHUP:
            return
        try:
            size = readv(self.fd, (buffer,))
        except OSError:
            return  # the next event tells
        if not size:
            self.end()
            return
        self.octets += size
        self.later(bytes(view[:size]))

    def larger(self) -> None:
        """So much came that a better way may be worth it."""

    # --- what may happen besides ---

    def unusual(self, events: int) -> None:
        """Room in a full descriptor, an end, an error."""
        if self.sending:
            self.twin.flush()  # an error shows here, too
        if events & ~OUT and self.reading and not self.relay.over:
            read_on = self.relay.shared.loop.handlers[self.fd]
            if read_on is not None:
                read_on(events & READING or IN)

    def unreadable(self, error: OSError) -> None:
        """Reading failed."""
        if not isinstance(error, BlockingIOError):
            self.relay.close()

    def unwritable(self, error: OSError) -> int:
        """Writing failed: returns that nothing was sent."""
        if not isinstance(error, BlockingIOError):
            self.relay.close()
        return 0

    # --- back-pressure ---

    def keep(self, data: bytes | memoryview) -> None:
        """The other side is full: keep this, and read no more until it is gone."""
        self.blocked = True
        if self.relay.over:
            return
        self.kept = data
        self.interest(reading=False, sending=self.sending)
        self.twin.interest(reading=self.twin.reading, sending=True)

    def flush(self) -> None:
        """There is room again."""
        if self.kept:
            try:
                self.kept = self.kept[write(self.to, self.kept) :]
            except OSError as error:
                self.unwritable(error)
        if not self.kept and not self.relay.over:
            self.emptied()

    def emptied(self) -> None:
        """All that was kept is gone: read on, or pass on the end."""
        self.blocked = False
        self.twin.interest(reading=self.twin.reading, sending=False)
        if self.ended:
            self.pass_on_the_end()
        else:
            self.interest(reading=True, sending=self.sending)

    def interest(self, *, reading: bool, sending: bool) -> None:
        """What our descriptor is watched for: to read it, and for the twin to write to it."""
        if reading == self.reading and sending == self.sending:
            return
        before = self.reading or self.sending
        self.reading, self.sending = reading, sending
        mask = (READING if reading else 0) | (OUT if sending else 0)
        if not mask:
            self.relay.shared.loop.suspend(self.fd)  # a hang-up would be told again and again
        elif before:
            self.relay.shared.loop.change(self.fd, mask)
        else:
            self.relay.shared.loop.resume(self.fd, mask)

    # --- the beginning and the end ---

    def take_over(self, source: Leg) -> None:
        """Go on where the log-in has left `fd`."""
        self.ended = source.ended
        self.reading = bool(source.mask & READING)
        self.sending = bool(source.mask & OUT)

    def start(self, pending: bytes, first: bytes) -> None:
        """Send what was still to be sent, then what was read before the hand-over; then go on."""
        self.octets = len(first)
        pending += self.outgoing(first)
        if pending:
            self.put(pending)
        if not self.blocked and not self.relay.over:
            if self.ended:
                self.pass_on_the_end()
            elif not self.reading:
                self.interest(reading=True, sending=self.sending)

    def put(self, data: bytes | memoryview) -> None:
        """Write this; keep what does not fit."""
        try:
            sent = write(self.to, data)
        except OSError as error:
            sent = self.unwritable(error)
        if sent != len(data):
            self.keep(bytes(data[sent:]))

    def let_go(self) -> None:
        """The session is over."""

    def abandon(self) -> None:
        """A bug of ours: the session ends."""
        self.relay.close()

    def outgoing(self, data: bytes) -> bytes:
        """What is written for `data`."""
        return data

    def end(self) -> None:
        """The source has said all."""
        self.ended = True
        if not self.kept and not self.blocked:
            self.pass_on_the_end()
        if not self.relay.over:
            self.interest(reading=False, sending=self.sending)

    def pass_on_the_end(self) -> None:
        """All that was read has been written."""
        twin = self.twin
        if twin.ended and not (twin.kept or twin.blocked):
            self.relay.close()
        else:
            self.relay.limit = GRACE
            end_sending(self.to)
