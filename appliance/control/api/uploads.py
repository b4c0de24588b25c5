"""Files that administrators sent by scp or SFTP: what came, and its contents. Kept for 7 days.

Requests that take a file take `upload:NAME` for one of these, in the place of a descriptor.
"""

from __future__ import annotations

from appliance.control.api import Request


class ConsoleUploads(Request, frozen=True, tag="console uploads"):
    """All of them, newest first. Value: [{name, by, size, at}]."""


class ConsoleUploaded(Request, frozen=True, tag="console uploaded"):
    """One of them. Value: {name, size}; `remove` deletes it."""

    name: str
    remove: bool = False


class ConsoleUploadText(Request, frozen=True, tag="console upload text"):
    """What is in one: UTF-8, at most 4 MiB. Value: {name, text}."""

    name: str
