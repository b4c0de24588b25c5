"""mbsync, both ways: what it pulls and pushes through the node is, byte for byte, what it is directly."""

from __future__ import annotations

import imaplib
import subprocess
from pathlib import Path

import pytest

from tests.node.conftest import Stores
from tests.services.authority import Authority
from tests.services.node import Node
from tests.services.people import SYNC

CONFIGURATION = """
IMAPAccount store
Host localhost
Port {port}
User {user}
Pass {password}
AuthMechs *
SSLType {ssl}
CertificateFile {ca}

IMAPStore far
Account store

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/INBOX

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
"""
EIGHT_BITS = bytes(range(128, 256)) * 10
BODIES = [b"", b"one line\r\n", b".\r\n..\r\nFrom here\r\n", EIGHT_BITS + b"\r\n", b"x" * 900_000 + b"\r\n"]


def sync(folder: Path, port: int, ssl: str, ca: Path) -> dict[str, set[bytes]]:
    """Run mbsync; what the folder's mailboxes hold then, without mbsync's own header line."""
    (folder / "mail").mkdir(parents=True, exist_ok=True)
    file = folder / "mbsyncrc"
    file.write_text(CONFIGURATION.format(port=port, user=SYNC.address, password=SYNC.password, ssl=ssl, ca=ca,
                                         folder=folder))
    run = subprocess.run(["mbsync", "-c", str(file), "-a"], capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return contents(folder)


def contents(folder: Path) -> dict[str, set[bytes]]:
    """Mailbox to the messages in it."""
    return {
        box.name: {without_mark(file.read_bytes()) for part in ("cur", "new") for file in (box / part).iterdir()}
        for box in (folder / "mail").iterdir() if (box / "cur").exists()
    }


def without_mark(message: bytes) -> bytes:
    """The message without the line that mbsync adds to what it pushes."""
    return b"\n".join(line for line in message.split(b"\n") if not line.startswith(b"X-TUID:"))


def message(number: int, body: bytes) -> bytes:
    """A message that is told from the others."""
    return b"From: a@example.test\r\nMessage-ID: <%d@example.test>\r\n\r\n" % number + body


@pytest.mark.parametrize("ssl", ["None", "STARTTLS", "IMAPS"])
def test_both_ways(node: Node, stores: Stores, authority: Authority, folder: Path, ssl: str) -> None:
    store = stores.alpha
    client = imaplib.IMAP4(store.host, store.imap)
    client.login(*SYNC)
    client.create(f"Box-{ssl}")
    for number, body in enumerate(BODIES):
        client.append(f"Box-{ssl}", None, None, message(number, body))
    client.logout()

    ours = (node.imaps if ssl == "IMAPS" else node.imap)
    theirs = (store.imaps if ssl == "IMAPS" else store.imap)
    pulled = sync(folder / "ours", ours, ssl, authority.file)
    assert len(pulled[f"Box-{ssl}"]) == len(BODIES)
    assert pulled == sync(folder / "theirs", theirs, ssl, authority.file)

    for number, body in enumerate(BODIES, 100):
        pushed = folder / "ours" / "mail" / f"Box-{ssl}" / "new" / f"{number}.trial"
        pushed.write_bytes(message(number, body).replace(b"\r\n", b"\n"))
    sync(folder / "ours", ours, ssl, authority.file)
    both = sync(folder / "theirs", theirs, ssl, authority.file)
    assert len(both[f"Box-{ssl}"]) == 2 * len(BODIES)
    assert both == contents(folder / "ours")
