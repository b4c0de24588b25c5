"""In which line of a TOML text a key stands: tomllib tells values, not places.

Runs over text that tomllib has accepted, once, in linear time; it must never decide what the text means. What lies
inside a value (an inline table, an array) has the line of the key that the value belongs to. TOML 1.0.0.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Final

Path = tuple[str | int, ...]

# A value is skipped token by token: what may hide a newline or a bracket is one token.
_TOKEN: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*|[\[\]{}\n]|[^\"'#\[\]{}\n]+",
    re.DOTALL,
)
_KEY: Final = re.compile(r"""[ \t]*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*(\.?)""")
_BLANK: Final = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|$)")
_INDENT: Final = re.compile(r"[ \t]*")


def lines_of(text: str) -> dict[Path, int]:
    """Line (from 1) of each table and key, by path; an array of tables counts its tables from 0."""
    return _Scan(text).run()


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of this path, or of the nearest thing around it; 1 if nothing is."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self.line = 1
        self.lines: dict[Path, int] = {}
        self.table: Path = ()
        self.counts: dict[Path, int] = {}  # tables seen so far in each array of tables

    def run(self) -> dict[Path, int]:
        while self.at < len(self.text):
            if blank := _BLANK.match(self.text, self.at):
                self._skip(blank.end())
                continue
            self._skip(self._match_end(_INDENT))
            if self.text.startswith("[", self.at):
                self._header()
            else:
                self._note(self.table, self._keys())
            self._skip_value()
        return self.lines

    def _header(self) -> None:
        double = self.text.startswith("[[", self.at)
        self.at += 2 if double else 1
        keys = self._keys()
        path = self._inside(keys[:-1])
        last = (*path, keys[-1])
        if double:
            self.counts[last] = self.counts.get(last, 0) + 1
        self.table = self._inside(keys)
        self._note((), keys)
        self.lines[self.table] = self.line
        self.at = self.text.index("]", self.at)
        self.at += 2 if double else 1

    def _inside(self, keys: tuple[str, ...]) -> Path:
        """Where these keys of a header lead: into the last table of each array on the way."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        return path

    def _note(self, table: Path, keys: tuple[str, ...]) -> None:
        """Each key of a dotted key has a line: the first that names it."""
        for length in range(1, len(keys) + 1):
            self.lines.setdefault((*table, *keys[:length]), self.line)

    def _keys(self) -> tuple[str, ...]:
        keys: list[str] = []
        while key := _KEY.match(self.text, self.at):
            self._skip(key.end())
            keys.append(_bare(key[1]))
            if not key[2]:
                break
        return tuple(keys)

    def _skip_value(self) -> None:
        """To behind the newline that ends this line's statement."""
        depth = 0
        while token := _TOKEN.match(self.text, self.at):
            self._skip(token.end())
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
            if token[0] == "\n" and depth <= 0:
                return
        # Only the end of the text matches no token; anything else would repeat for ever.
        self.at = max(self.at, len(self.text))

    def _match_end(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self.at)
        return match.end() if match else self.at

    def _skip(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to


def _bare(key: str) -> str:
    """A key without its quotes."""
    if key[0] not in "\"'":
        return key
    return str(next(iter(tomllib.loads(f"{key} = 0"))))
