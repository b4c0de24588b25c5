"""mbsync and offlineimap, both ways: what they pull and push through a node is, byte for byte, the same as directly."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.node.conftest import Stores
from tests.services.authority import Authority
from tests.services.mailboxes import BODIES, Door, fill, held, maildirs, message
from tests.services.node import Node
from tests.services.people import OFFLINE, SYNC

MBSYNC = """
IMAPAccount store
Host localhost
Port {port}
User {user}
Pass {password}
AuthMechs *
SSLType {tls}
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
OFFLINEIMAP = """
[general]
accounts = trial
metadata = {folder}/state
[Account trial]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {folder}/mail
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {port}
remoteuser = {user}
remotepass = {password}
{tls}
sslcacertfile = {ca}
"""
# No STARTTLS: after it offlineimap looks at no certificate, and sometimes waits for a thread of its own for ever.
OFFLINEIMAP_TLS = {"clear": "ssl = no\nstarttls = no", "tls": "ssl = yes\nstarttls = no"}
MBSYNC_TLS = {"clear": "None", "starttls": "STARTTLS", "tls": "IMAPS"}
MESSAGES = [message(number, body) for number, body in enumerate(BODIES)]
Sync = Callable[[Path, Door, str, Path], dict[str, set[bytes]]]


def mbsync(folder: Path, door: Door, way: str, ca: Path) -> dict[str, set[bytes]]:
    """The mailboxes of SYNC, after mbsync."""
    written = MBSYNC.format(folder=folder, port=port_of(door, way), user=SYNC.address, password=SYNC.password,
                            tls=MBSYNC_TLS[way], ca=ca)
    return run(folder, written, "mbsync", "-a")


def offlineimap(folder: Path, door: Door, way: str, ca: Path) -> dict[str, set[bytes]]:
    """The mailboxes of OFFLINE, after offlineimap."""
    written = OFFLINEIMAP.format(folder=folder, port=port_of(door, way), user=OFFLINE.address,
                                 password=OFFLINE.password, tls=OFFLINEIMAP_TLS[way], ca=ca)
    return run(folder, written, "offlineimap", "-o", "-u", "basic")


def port_of(door: Door, way: str) -> int:
    """Where to connect."""
    return door.imaps if way == "tls" else door.imap


def run(folder: Path, written: str, *command: str) -> dict[str, set[bytes]]:
    """Synchronise by this configuration; what the folder's mailboxes hold then."""
    (folder / "mail").mkdir(parents=True, exist_ok=True)
    (folder / "rc").write_text(written)
    done = subprocess.run([*command, "-c", str(folder / "rc")], capture_output=True, text=True, timeout=100,
                          check=False, env={**os.environ, "HOME": str(folder)})
    assert done.returncode == 0, done.stdout + done.stderr
    return maildirs(folder / "mail")


@pytest.mark.parametrize(("sync", "way"), [
    *((mbsync, way) for way in MBSYNC_TLS), *((offlineimap, way) for way in OFFLINEIMAP_TLS)])
def test_both_ways(node: Node, stores: Stores, authority: Authority, folder: Path, sync: Sync, way: str) -> None:
    store, who, box = stores.alpha, SYNC if sync is mbsync else OFFLINE, f"Box-{way}"
    fill(store, who, MESSAGES, box)
    pulled = sync(folder / "ours", node, way, authority.file)
    assert len(pulled[box]) == len(MESSAGES)
    assert pulled == sync(folder / "theirs", store, way, authority.file)

    for number, body in enumerate(BODIES, 100):
        pushed = folder / "ours" / "mail" / box / "new" / f"{number}.trial"
        pushed.write_bytes(message(number, body).replace(b"\r\n", b"\n"))
    sync(folder / "ours", node, way, authority.file)
    both = sync(folder / "theirs", store, way, authority.file)
    assert len(both[box]) == 2 * len(MESSAGES)
    assert both == maildirs(folder / "ours" / "mail")


def test_what_is_deleted_here_is_deleted_there(
    node: Node, stores: Stores, authority: Authority, folder: Path
) -> None:
    fill(stores.alpha, SYNC, MESSAGES[:3], "Deleted")
    mbsync(folder, node, "tls", authority.file)
    file = next(file for part in ("cur", "new") for file in (folder / "mail" / "Deleted" / part).iterdir())
    file.unlink()
    left = mbsync(folder, node, "tls", authority.file)["Deleted"]
    assert len(left) == 2
    assert {one.replace(b"\r\n", b"\n") for _, one in held(stores.alpha, SYNC, "Deleted")} == left
