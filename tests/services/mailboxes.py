"""Mailboxes as they are: a store's, filled and read directly, and those a client keeps in a folder.

Must never go through a node: what a client did there is compared with this.
"""

from __future__ import annotations

import imaplib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.services.dovecot import Dovecot
from tests.services.people import Person

# What has gone wrong on the way before: nothing, dots and From at the start of a line, eight bits, long lines, a lot.
BODIES = [b"", b"one line\r\n", b".\r\n..\r\n.x\r\nFrom here\r\n", bytes(range(128, 256)) * 10 + b"\r\n",
          b"wide " * 1900 + b"\r\n", b"x" * 900_000 + b"\r\n"]


class Door(Protocol):
    """Where mail programs connect: a store or a node."""

    imap: int
    imaps: int
    pop3: int
    pop3s: int
    sieve: int


def message(number: int, body: bytes) -> bytes:
    """A message that is told from the others."""
    return (b"From: a@example.test\r\nTo: b@example.test\r\nSubject: trial\r\n"
            b"Date: Wed, 01 Jan 2020 00:00:00 +0000\r\nMessage-ID: <%d@example.test>\r\n\r\n" % number) + body


def fill(store: Dovecot, who: Person, messages: Sequence[bytes], box: str = "INBOX") -> None:
    """Make a mailbox hold these messages and no others."""
    client = imaplib.IMAP4(store.host, store.imap)
    client.login(*who)
    if box != "INBOX":
        client.create(box)
    if client.select(box)[1] != [b"0"]:
        client.store("1:*", "+FLAGS", r"(\Deleted)")
        client.expunge()
    for one in messages:
        client.append(box, "", "", one)
    client.logout()


def held(store: Dovecot, who: Person, box: str = "INBOX") -> list[tuple[bool, bytes]]:
    """The messages of a mailbox, and whether each was seen."""
    client = imaplib.IMAP4(store.host, store.imap)
    client.login(*who)
    count = int(client.select(box, readonly=True)[1][0] or b"0")
    found = [client.fetch(str(number), "(FLAGS BODY.PEEK[])")[1][0] for number in range(1, count + 1)]
    client.logout()
    return [(rb"\Seen" in one[0], one[1]) for one in found if isinstance(one, tuple)]


def maildirs(folder: Path) -> dict[str, set[bytes]]:
    """Mailbox to the messages in it, of every Maildir in a folder."""
    return {box.name: maildir(box) for box in folder.iterdir() if (box / "cur").exists()}


def maildir(box: Path) -> set[bytes]:
    """The messages of a Maildir."""
    return {without_mark(file.read_bytes()) for part in ("cur", "new") for file in (box / part).iterdir()}


def without_mark(one: bytes) -> bytes:
    """The message without the line that mbsync adds to what it pushes."""
    return b"\n".join(line for line in one.split(b"\n") if not line.startswith(b"X-TUID:"))
