"""Requests about backups: everything that makes this node, in one file."""

from __future__ import annotations

from appliance.control.api import Request


class Backup(Request, frozen=True, tag="backup"):
    """Write the archive to the file that comes with the request. Value: {files: [{name, size}]}."""

    with_spool: bool = False


class Restore(Request, frozen=True, tag="restore"):
    """Load the archive that comes with the request. Value: {node, made, revision}."""

    with_spool: bool = False
