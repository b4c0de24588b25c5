"""fetchmail and getmail, by POP3 and IMAP: what they fetch, leave and delete through a node is the same as directly."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.node.conftest import Stores
from tests.services.authority import Authority
from tests.services.mailboxes import BODIES, Door, fill, held, maildir, message
from tests.services.node import Node
from tests.services.people import FETCH

FETCHMAIL = """
set invisible
set idfile {folder}/ids
poll localhost service {port} protocol {protocol} {uidl}
user "{user}" password "{password}" {tls} sslcertfile {ca} {delete} no rewrite
mda "cat > $(mktemp {folder}/mail/new/XXXXXX)"
"""
GETMAIL = """
[retriever]
type = Simple{protocol}{tls}Retriever
server = localhost
port = {port}
username = {user}
password = {password}
{ca}
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat > $(mktemp {folder}/mail/new/XXXXXX)")
allow_root_commands = true
[options]
delivered_to = false
received = false
read_all = false
delete = {delete}
"""
# where fetchmail breaks a line longer than its 8 KiB, it writes whatever lay in its memory
NARROW = [body for body in BODIES if len(body) < 8000] + [(b"0123456789abcdef" * 4 + b"\r\n") * 10_000]
MESSAGES = [message(number, body) for number, body in enumerate(NARROW)]
NOTHING_NEW = 1  # fetchmail's exit status
Fetch = Callable[[Path, Door, str, str, Path, bool], set[bytes]]


def port_of(door: Door, protocol: str, way: str) -> int:
    """Where to connect."""
    port: int = getattr(door, protocol.lower() + ("s" if way == "tls" else ""))
    return port


def prepared(folder: Path) -> Path:
    """An empty Maildir in the folder; what the program remembers there is kept."""
    for part in ("cur", "new", "tmp"):
        (folder / "mail" / part).mkdir(parents=True, exist_ok=True)
        for file in (folder / "mail" / part).iterdir():
            file.unlink()
    return folder


def run(command: list[str], folder: Path, fine: set[int]) -> set[bytes]:
    """What arrived in the Maildir."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "HOME": str(folder)})
    assert done.returncode in fine, (done.returncode, done.stdout, done.stderr)
    return maildir(folder / "mail")


def fetchmail(folder: Path, door: Door, protocol: str, way: str, ca: Path, delete: bool) -> set[bytes]:
    """What a run of fetchmail brings; STARTTLS is demanded unless TLS is implicit."""
    file = prepared(folder) / "fetchmailrc"
    file.touch(0o600)
    file.write_text(FETCHMAIL.format(
        folder=folder, port=port_of(door, protocol, way), protocol=protocol, user=FETCH.address,
        password=FETCH.password, uidl="uidl" if protocol == "POP3" else "", tls="ssl" if way == "tls" else "",
        ca=ca, delete="no keep fetchall" if delete else "keep"))
    return run(["fetchmail", "--nodetach", "--fetchmailrc", str(file)], folder, {0, NOTHING_NEW})


def getmail(folder: Path, door: Door, protocol: str, way: str, ca: Path, delete: bool) -> set[bytes]:
    """What a run of getmail brings."""
    file = prepared(folder) / "getmailrc"
    file.write_text(GETMAIL.format(
        folder=folder, port=port_of(door, protocol, way), protocol=protocol, user=FETCH.address,
        password=FETCH.password, tls="SSL" if way == "tls" else "", ca=f"ca_certs = {ca}" if way == "tls" else "",
        delete=str(delete).lower()))
    return run(["getmail", "--getmaildir", str(folder), "--rcfile", str(file)], folder, {0})


@pytest.mark.parametrize("protocol", ["POP3", "IMAP"])
@pytest.mark.parametrize(("fetch", "way"), [(fetchmail, "starttls"), (fetchmail, "tls"), (getmail, "clear"),
                                            (getmail, "tls")])
def test_fetched_left_and_deleted(
    node: Node, stores: Stores, authority: Authority, folder: Path, fetch: Fetch, way: str, protocol: str
) -> None:
    store, stories = stores.alpha, []
    for name, door in (("theirs", store), ("ours", node)):
        fill(store, FETCH, MESSAGES)
        fetched = fetch(folder / name, door, protocol, way, authority.file, False)
        assert len(fetched) == len(MESSAGES)
        assert fetch(folder / name, door, protocol, way, authority.file, False) == set(), "all was fetched before"
        left = held(store, FETCH)
        assert fetch(folder / f"{name}-all", door, protocol, way, authority.file, True) == fetched
        assert held(store, FETCH) == []
        stories.append((fetched, left))
    assert stories[0] == stories[1]
    assert [one for _, one in stories[1][1]] == MESSAGES


def test_who_moves_behind_the_node_fetches_nothing_twice(
    node: Node, stores: Stores, authority: Authority, folder: Path
) -> None:
    fill(stores.alpha, FETCH, MESSAGES[:3])
    assert len(fetchmail(folder, stores.alpha, "POP3", "tls", authority.file, False)) == 3
    assert fetchmail(folder, node, "POP3", "tls", authority.file, False) == set()
    fill(stores.alpha, FETCH, MESSAGES[3:4])
    assert len(fetchmail(folder, node, "POP3", "tls", authority.file, False)) == 1
    assert fetchmail(folder, stores.alpha, "POP3", "tls", authority.file, False) == set()
