"""What a setting is: the words that the tables of this package are written in. Data only, no checks."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Setting(Struct, frozen=True, kw_only=True):
    """One setting, declared once. Validation, forms, help, the TOML file and the reference page derive from it."""

    name: str  # as administrators write it, `_file` included
    type: str  # a key of values.TYPES
    help: str
    default: Any = ""
    unit: str = ""
    choices: tuple[str, ...] = ()  # of a choice; of a template the names that may stand in braces; of a table its keys
    refers: str = ""  # the kind of object that the value names
    scope: str = "site"  # site: the same everywhere | node: counted or opened by each node for itself
    live: bool = True  # False: takes effect when the node is started again
    file: bool = False  # the administrator names a file; its content is what is stored
    secret: bool = False  # the content is sealed before it is stored, and never shown
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None

    @property
    def stored(self) -> str:
        """The key in a stored body: the content of `NAME_file` is kept as `NAME`."""
        return self.name.removesuffix("_file") if self.file else self.name


class Kind(Struct, frozen=True, kw_only=True):
    """One sort of configuration object: a table of the TOML file, or an array of tables."""

    name: str
    help: str
    settings: tuple[Setting, ...]
    single: bool = False  # there is one, and its name is ""
    named_by: str = ""  # array of tables: the key that names one ("name"; of "names" the first). Empty: [KIND.NAME]

    def written(self, key: str) -> Setting | None:
        """The setting that administrators write as `key`."""
        return next((setting for setting in self.settings if setting.name == key), None)

    def stored(self, key: str) -> Setting | None:
        """The setting that stored bodies hold as `key`."""
        return next((setting for setting in self.settings if setting.stored == key), None)


class Problem(Struct, frozen=True):
    """What is wrong with a setting, as a sentence. `key` as administrators write it; empty: the object as a whole."""

    kind: str
    name: str
    key: str
    text: str
