"""Requests about the whole configuration, as `[[kind]]` objects: what the TOML file holds, without the file.

Files that the TOML names were read by whoever asks (the controller may not be able to): values of such settings
are contents. A secret comes in clear, to be sealed before it is stored, or as KEPT: whatever is stored stays.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from appliance.control.api import Request

KEPT: Final = "<kept>"


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One object: only what the file sets."""

    kind: str
    name: str
    body: dict[str, Any]

    def __repr__(self) -> str:
        return f"Item({self.kind!r}, {self.name!r}, ***)"


class ConfigExport(Request, frozen=True, tag="config export"):
    """Value: {objects: [{kind, name, body}]}, secrets as KEPT."""


class ConfigDiff(Request, frozen=True, tag="config diff"):
    """What `config apply` would change. Value: {differences: [{change, kind, name, entries, keys}]}."""

    objects: list[Item]


class ConfigApply(Request, frozen=True, tag="config apply"):
    """Make the configuration equal to these objects: all or nothing. Value as of ConfigDiff, with the revision.

    `delete_data` allows the removal of maps that have entries. Refused with value {problems: [{kind, name, key,
    text}]} when the whole would not be right.
    """

    objects: list[Item]
    delete_data: bool = False
