"""What an entry of a map may say: an address in the one form that look-ups ask for, and a back-end that is defined.

The form is that of appliance.routing.names, so that what was imported is found. Must never change anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from appliance.control.formats import Wrong
from appliance.routing import names
from appliance.routing.names import Name, NameRules
from db.objects import Objects

SHOWN: Final = 80  # characters of a stranger's text that a message repeats

# Addresses that have the form already: most of any file, and ten times faster to see than to make.
_ATOM: Final = "0-9!#$%&'*+/=?^_`{|}~.-"
_LOWER: Final = re.compile(rf"[a-z{_ATOM}]{{1,64}}@[a-z0-9.-]{{1,255}}")
_ANY: Final = re.compile(rf"[A-Za-z{_ATOM}]{{1,64}}@[a-z0-9.-]{{1,255}}")


class EntryRules:
    """The rules for one map's entries, as the configuration is now."""

    def __init__(self, objects: Objects, map_name: str) -> None:
        site = objects.get("site")
        self._names: NameRules = names.rules(site["default_domain"], site["recipient_delimiter"], site["aliases"])
        self._lower: bool = objects.get("map", map_name)["fold"] == "lower"
        self._backends = set(objects.names("backend"))

    def name(self, text: str) -> Name:
        """The name that a look-up of this text asks for. Raises ValueError."""
        name = self._names.normalise(text)
        if name is None:
            raise ValueError(f"{shown(text)} is no address")
        return name.folded() if self._lower else name

    def address(self, text: str) -> str:
        """The address of an entry, or its "@domain". Raises ValueError."""
        bare = text.strip()
        name = self._names.normalise(f"x{bare}" if bare.startswith("@") else bare)  # any local part will do
        if name is None:
            raise ValueError(f"{shown(text)} is no address")
        if bare.startswith("@"):
            return f"@{name.domain}"
        return name.folded().whole if self._lower else name.whole

    def backend(self, text: str) -> str:
        """The back-end named. Raises ValueError if there is none of this name."""
        name = text.strip()
        if name not in self._backends:
            raise ValueError(f"back-end {shown(name)} is not defined" if name else "names no back-end")
        return name

    def judge(self, rows: Sequence[tuple[int, str, str]], wrong: list[Wrong]) -> list[tuple[int, str, str]]:
        """Rows of (line, address, back-end) in their one form; those that have none are added to `wrong`."""
        has_form = (_LOWER if self._lower else _ANY).fullmatch
        simple = not self._names.aliases
        if simple and {row[2] for row in rows} <= self._backends and all(map(has_form, [row[1] for row in rows])):
            return list(rows)  # nearly every batch of nearly every file
        good = []
        for line, address, backend in rows:
            if simple and backend in self._backends and has_form(address):
                good.append((line, address, backend))
                continue
            try:
                good.append((line, self.address(address), self.backend(backend)))
            except ValueError as error:
                wrong.append(Wrong(line, str(error)))
        return good


def keys(name: Name) -> list[tuple[str, str]]:
    """The entries that a look-up asks for, in its order, each with what a hit there is called."""
    domain = f"@{name.domain}" if name.domain else ""
    found = [(name.whole, "exact"), (name.untagged, "without-tag"), (domain, "domain")]
    return [(key, match) for key, match in found if key]


def shown(text: str) -> str:
    """A stranger's text, as a message may repeat it: short, quoted, nothing in it that disturbs a terminal."""
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")
