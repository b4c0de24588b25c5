"""Backups, and loading them into a home whether its node runs or not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import BinaryIO, Final

from appliance.control import archive
from appliance.control.api import Done, Refused, Request
from appliance.control.api.archive import Backup, Restore
from appliance.control.archive import Archive, Contents
from appliance.control.commands import OWNER, By, Command, Node
from appliance.control.founding import give_to_console, write_file
from appliance.vault import Vault
from db import backup, connect, log, meta
from db.migrate import TooNew

NO_SPOOL: Final = "this release keeps no spool: there is no undelivered mail to save or restore"


def save(node: Node, by: By, request: Backup, file: BinaryIO | None) -> Done:
    """Write the archive to the file that came with the request."""
    if file is None:
        raise Refused("backup needs a file", 2)
    contents = Contents(archive.FORMAT, node.name, meta.revision(node.reader()), archive.now())
    try:
        members = archive.write(node.home, contents, file)
        file.flush()
    except (OSError, sqlite3.Error) as error:
        raise Refused(f"the backup could not be written: {error}") from error
    value = {"node": contents.node, "revision": contents.revision, "made": contents.made, "files": members}
    return Done(value, NO_SPOOL if request.with_spool else "")


def load(node: Node, by: By, request: Restore, file: BinaryIO | None) -> Done:
    """Replace what the home holds by what the archive holds."""
    if file is None:
        raise Refused("restore needs a file", 2)
    try:
        with archive.opened(node.home, file) as found:
            _refuse_while_running(node, found)
            _replace(node, found)
        made = found.contents
        node.submit([node.entry(by, f"restore: node {made.node} as of {made.made}")])
    except (OSError, sqlite3.Error, ValueError, TooNew) as error:
        raise Refused(f"the backup could not be restored: {error}") from error
    revision = meta.revision(node.reader())
    note = node.publish(certificates=True, listeners=True)
    notes = [note, NO_SPOOL if request.with_spool else ""]
    value = {"node": made.node, "made": made.made, "revision": revision}
    return Done(value, "; ".join(filter(None, notes)))


def _refuse_while_running(node: Node, found: Archive) -> None:
    """Processes that run hold the name and the key that they were started with."""
    key = found.small["secret.key"].strip()
    Vault(key)  # ValueError if it is none
    if node.hub is None:
        return
    if found.contents.node != node.name:
        raise Refused(f"the backup is of node {found.contents.node}, this is {node.name}: stop the node first")
    if key != node.home.secret_key.read_bytes().strip():
        raise Refused("the backup has another secret.key than the running node: stop the node first")


def _replace(node: Node, found: Archive) -> None:
    """The databases in place, then the files beside them: the key first, the rest cannot be read without it."""
    node.close_reader()
    with node.exclusive() as live:
        before = log.head(live)
        backup.load(found.config_db, live, "config")
        _number_on(live, before)
        with closing(connect.writer(node.home.node_db)) as own:
            backup.load(found.node_db, own, "node")
    for name in sorted(found.small, key=lambda name: name != "secret.key"):
        path = node.home.path / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_file(path, found.small[name], MODES.get(name, 0o600))
    give_to_console(node.home)


def _number_on(live: sqlite3.Connection, before: int) -> None:
    """Revisions go on behind those given out until now: a worker that knows a number must never meet it again."""
    following = max(before, log.head(live)) + 1
    with connect.transaction(live):
        meta.put(live, "revision", following)
        meta.put(live, "config_revision", following)


MODES: Final = {"secret.key": 0o640, "tls/cert.pem": 0o644, "tls/key.pem": 0o640}

HANDLERS: Final[dict[type[Request], Command]] = {Backup: Command(save, OWNER), Restore: Command(load, OWNER)}
