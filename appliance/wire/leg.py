"""One side of a session while it is talked with: its descriptor, TLS, and the octets on their way.

Must never take more than AHEAD octets that nobody waits for, and knows of conversations only whom to tell.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from appliance.protocols.conversation import Side
from appliance.wire.loop import IN, OUT, READING, Loop
from appliance.wire.securing import decrypt

if TYPE_CHECKING:
    from appliance.wire.session import Session
    from appliance.wire.tlspipe import TlsPipe

CHUNK: Final = 4096  # octets taken at once
AHEAD: Final = 16384  # octets kept for later before the peer is made to wait

_read = os.read
_write = os.write


class Leg:
    """`inbox`: plaintext not yet consumed. `ended`: nothing more will come. `broken`: nothing can be sent either."""

    __slots__ = ("broken", "ended", "fd", "heard", "inbox", "loop", "mask", "outbox", "session", "side", "tls")

    def __init__(self, session: Session, side: Side, loop: Loop, fd: int) -> None:
        self.session: Session | None = session  # until the hand-over, or the end
        self.side = side
        self.loop = loop
        self.fd = fd
        self.inbox = self.outbox = b""
        self.heard = self.ended = self.broken = False  # heard: it has said something since it is here
        self.mask = READING
        self.tls: TlsPipe | None = None

    def ready(self, events: int) -> None:
        """The descriptor has something."""
        session = self.session
        if session is None or (events != IN and session.unusual(self, events)):
            return
        self.inbox += self.take()
        self.heard = True
        session.arrived(self)

    def ready_in_tls(self, events: int) -> None:
        """As `ready`, once the handshake is to come."""
        session = self.session
        if session is None or (events != IN and session.unusual(self, events)):
            return
        if decrypt(session, self, self.take()):
            session.arrived(self)

    def abandon(self) -> None:
        """A bug of ours: the session ends."""
        if self.session is not None:
            self.session.close()

    def take(self) -> bytes:
        """What can be read now, as it came (not decrypted). Empty at the end, which sets `ended`."""
        try:
            data = _read(self.fd, CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            self.broken = True
            data = b""
        if not data:
            self.end()
        return data

    def end(self) -> None:
        """Nothing more is read from this side."""
        self.ended = True
        self.interest(reading=False)

    def due(self) -> bytes:
        """What is to be sent, handed over."""
        due, self.outbox = self.outbox, b""
        return due if self.tls is None else due + self.tls.take_owed()

    def flush(self) -> None:
        """Send what is due, as far as it goes; nothing once the session has let go of this side."""
        if self.session is None:
            return
        outbox = self.due()
        if outbox:
            try:
                self.outbox = outbox[_write(self.fd, outbox) :]
            except BlockingIOError:
                self.outbox = outbox
            except OSError:
                self.broken = True
        if self.outbox or self.mask & OUT:
            self.interest(reading=bool(self.mask & READING))

    def settled(self) -> bool:
        """Whether it is read as usual, and nothing is on its way."""
        return self.mask == READING and not self.inbox and not self.outbox and not self.broken

    def queue(self, data: bytes) -> None:
        """Send `data`, encrypted if TLS is on, at the next flush. Amidst a handshake nothing can be said."""
        tls = self.tls
        if not self.broken and (tls is None or tls.done):
            self.outbox += data if tls is None else tls.sealed(data)

    def interest(self, *, reading: bool) -> None:
        """Be told what is to be read, or not; and of room, while something waits to be sent."""
        mask = (READING if reading and not self.ended else 0) | (OUT if self.outbox else 0)
        if mask == self.mask:
            return
        if not mask:
            self.loop.suspend(self.fd)  # a hang-up would be told again and again
        elif not self.mask:
            self.loop.resume(self.fd, mask)
        else:
            self.loop.change(self.fd, mask)
        self.mask = mask
