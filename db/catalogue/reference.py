"""The reference page of settings, made from the catalogue: `python -m db.catalogue.reference > docs/settings.md`.

Must never say anything that the tables do not: a test compares the page with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from db.catalogue.kinds import KINDS
from db.catalogue.types import Kind, Setting

HEAD = """# Settings

Every setting, from the catalogue that the program itself uses. They are written in one TOML file
(`postern config export`, `postern config apply FILE`) or set one by one (`postern service set`, `postern backend set`).
A setting takes effect at once unless its line says otherwise.
"""


def page() -> str:
    """The page as Markdown."""
    return "\n".join([HEAD, *(line for kind in KINDS.values() for line in _kind(kind))])


def _kind(kind: Kind) -> Iterator[str]:
    header = f"[{kind.name}]" if kind.single else f"[[{kind.name}]]" if kind.named_by else f"[{kind.name}.NAME]"
    yield f"## `{header}`\n\n{kind.help}\n"
    yield "| Setting | Type | Default | What it does |\n|---|---|---|---|"
    for setting in kind.settings:
        yield f"| `{setting.name}` | {_type(setting)} | {_default(setting)} | {_cell(_help(setting))} |"
    yield ""


def _type(setting: Setting) -> str:
    unit = f", {setting.unit}" if setting.unit and setting.unit != setting.type else ""
    if setting.type != "choice":
        return setting.type + unit
    return "choice: " + " \\| ".join(choice or "(empty)" for choice in setting.choices) + unit


def _default(setting: Setting) -> str:
    if setting.required:
        return "*none: must be set*"
    return f"`{_toml(setting.default)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return str(value)


def _help(setting: Setting) -> str:
    return setting.help if setting.live else f"{setting.help} Takes effect when the node is started again."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    print(page(), end="")
