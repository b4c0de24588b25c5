"""What the audit says, as a sentence: "changed attempts of limits" for `service set limits attempts`. Pure.

What it does not know it shows as it stands, escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tui.words import plain

# The first words of a change, and how it reads: {0} is the next word, {rest} those behind it.
_SENTENCES: Final = (
    (("service", "set"), "changed {rest} of {0}"),
    (("backend", "add"), "added the back-end {0}"),
    (("backend", "set"), "changed {rest} of the back-end {0}"),
    (("backend", "remove"), "removed the back-end {0}"),
    (("backend", "drain"), "drained the back-end {0}"),
    (("backend", "enable"), "took the back-end {0} into use again"),
    (("map", "create"), "created the map {0}"),
    (("map", "set"), "changed {rest} of the map {0}"),
    (("map", "delete"), "deleted the map {0}"),
    (("map", "undo"), "undid the last import into {0}"),
    (("admin", "key", "add"), "added a key of {0}"),
    (("admin", "key", "remove"), "removed a key of {0}"),
    (("map", "put"), "said that {1} lives on {2}, in the map {0}"),
    (("map", "remove"), "took {1} out of the map {0}"),
    (("account", "add"), "added the account {0}"),
    (("account", "password"), "gave {0} a new password"),
    (("account", "disable"), "disabled the account {0}"),
    (("account", "enable"), "enabled the account {0}"),
    (("account", "remove"), "removed the account {0}"),
    (("ban", "add"), "banned {0}"),
    (("ban", "lift"), "lifted the ban of {0}"),
    (("ban",), "banned {all}"),
    (("cert", "add"), "added a certificate for {0}{and_rest}"),
    (("cert", "remove"), "removed the certificate of {0}"),
    (("admin", "add"), "added the administrator {0}"),
    (("admin", "role"), "gave {0} the role {rest}"),
    (("begin", "to", "import"), "began to import {all}"),
    (("give", "up", "to", "import"), "gave up importing {all}"),
    (("import",), "imported {all}"),
    (("account", "import:"), "imported {all}"),
    (("restore:",), "restored {all}"),
    (("give", "up"), "gave up {all}"),
    (("admin", "password"), "changed the password of {0}"),
    (("admin", "totp"), "changed the one-time codes of {0}"),
    (("admin", "remove"), "removed the administrator {0}"),
    (("audit", "revert"), "took back change {reverted}"),
    (("config", "apply:"), "applied a file: {all}"),
)


def sentence(what: str) -> str:
    """What was done."""
    words = what[:500].split()  # of a change that takes back one that took back one ..., the last few
    for first, shape in _SENTENCES:
        said, named = words[: len(first)], words[len(first) :]
        if tuple(said) == first and named:
            rest = named[1:]
            and_rest = f", {', '.join(rest)}" if rest else ""
            try:
                return plain(shape.format(*named, rest=_listed(rest), and_rest=and_rest, all=" ".join(named),
                                          reverted=_reverted(named)), 300)  # fmt: skip
            except IndexError:  # fewer words than it has from this release
                break
    return plain(what, 300)


def _listed(words: Sequence[str]) -> str:
    if not words:
        return "settings"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _reverted(words: Sequence[str]) -> str:
    number = words[0].rstrip(":")
    return f"{number} ({sentence(' '.join(words[1:]))})" if words[1:] else number


def told(value: Any) -> str:
    """A value of a difference."""
    return "(none)" if value is None else plain(value, 200) or '""'
