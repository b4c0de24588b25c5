"""Every setting of Postern, once: name, type, unit, default, help, scope.

Validation, the commands' help, forms, the TOML file and the reference page derive from these tables; nothing else
knows a default. Must never read a file or a database.

One rule for files. A setting with `file=True` is written by administrators as a path (`master_password_file`,
`tls_ca`, `certificate`, `policy`). The path is read when the change is made, and the *content* is what is stored,
under `Setting.stored`: the name without a `_file` at its end (`master_password`, `tls_ca`). With `secret=True` the
content is sealed first and stored as "sealed:..." (the newline at the end of a password's file does not belong to
it). An empty path stores the empty text: not set. The path is not kept: an export writes "<kept>" for every file
setting that is set, and applying "<kept>" keeps what is stored. There are no secrets other than files.

`check`, `check_all` and `effective` speak of stored bodies; `Problem.key` is the name that administrators write.
"""

from __future__ import annotations

from typing import Any

from db.catalogue.check import check, check_all, effective, listeners, unknown_key
from db.catalogue.formats import host_port, octets
from db.catalogue.kinds import KINDS
from db.catalogue.types import Kind, Problem, Setting
from db.catalogue.values import parsed

KEPT = "<kept>"
SEALED = "sealed:"

__all__ = [
    "KEPT",
    "KINDS",
    "SEALED",
    "Kind",
    "Problem",
    "Setting",
    "check",
    "check_all",
    "effective",
    "host_port",
    "listeners",
    "masked",
    "name_of",
    "octets",
    "parse_value",
]


def parse_value(kind: str, key: str, text: str) -> Any:
    """The value of KEY=TEXT in a command, `key` as administrators write it; a file's path stays a path.

    Raises ValueError with a sentence for people.
    """
    setting = KINDS[kind].written(key)
    if setting is None:
        raise ValueError(unknown_key(KINDS[kind], key, [setting.name for setting in KINDS[kind].settings]))
    return parsed(setting, text)


def name_of(kind: str, table: dict[str, Any]) -> str:
    """The name of an object from its table in a TOML file: of a certificate its first name. Empty if there is none."""
    key = KINDS[kind].named_by
    value = table.get(key, "")
    if isinstance(value, list):
        value = value[0] if value else ""
    return value if isinstance(value, str) else ""


def masked(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """A stored body that may be shown: secrets replaced by "<kept>"."""
    secret = {setting.stored for setting in KINDS[kind].settings if setting.secret} if kind in KINDS else set()
    return {key: KEPT if key in secret and value else value for key, value in body.items()}
