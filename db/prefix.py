"""Pages of rows whose key begins with some text."""

from __future__ import annotations

HIGHEST = "\U0010ffff"


def past(prefix: str) -> str:
    """A text that sorts after everything that begins with `prefix` (SQLite compares UTF-8 octets)."""
    return prefix + HIGHEST
