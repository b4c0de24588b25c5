"""The configuration as TOML text: one table per object, as an administrator would write it. TOML 1.0.0.

Pure. Must never be handed a secret: contents are KEPT before they come here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import tomli_w

from db import catalogue

WIDTH: Final = 100  # a list that is longer has one item per line


def text_of(document: Mapping[str, Any]) -> str:
    """The text of nested tables by kind (tomlfile.document_of)."""
    return "\n".join("\n".join(table) + "\n" for table in _tables(document))


def _tables(document: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, value in document.items():
        kind = catalogue.KINDS[name]
        if kind.single:
            yield [f"[{name}]", *_lines(value)]
        elif kind.named_by:
            yield from ([f"[[{name}]]", *_lines(table)] for table in value)
        else:
            yield from ([f"[{name}.{_key(own)}]", *_lines(table)] for own, table in value.items())


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        line = f"{_key(key)} = {_value(value)}"
        if isinstance(value, list) and len(line) > WIDTH:
            line = f"{_key(key)} = [\n" + "".join(f"    {_value(item)},\n" for item in value) + "]"
        yield line


def _key(key: str) -> str:
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return tomli_w.dumps({"_": value}).removeprefix("_ = ").removesuffix("\n")
