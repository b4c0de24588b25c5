"""A draft of settings: what was typed for each, what would change, and the command that does the same. Pure.

The shape of a value (list, table, number, text) is that of its default; whether it is right, the node says. Must never
show what a secret was changed to.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tui.words import plain

KEPT: Final = "<kept>"
_YES: Final = ("true", "yes", "on", "1")
_NO: Final = ("false", "no", "off", "0")
Setting = Mapping[str, Any]  # as of ServiceShow


def written(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={written(item)}" for key, item in value.items())
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def meant(setting: Setting, text: str) -> Any:
    """The value that was typed. Raises ValueError with a sentence."""
    shape, text = setting["default"], text.strip()
    if isinstance(shape, bool):
        if text.lower() not in (*_YES, *_NO):
            raise ValueError("yes or no")
        return text.lower() in _YES
    if isinstance(shape, int | float):
        return _number(text)
    if isinstance(shape, list):
        return [item.strip() for item in text.split(",") if item.strip()]
    if isinstance(shape, dict):
        return _table(text)
    return text


def _number(text: str) -> int | float:
    digits = text.replace(" ", "").replace("\u202f", "")
    try:
        return int(digits)
    except ValueError:
        pass
    try:
        return float(digits)
    except ValueError:
        raise ValueError(f"a number, not {plain(text, 40)!r}") from None


def _table(text: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in text.split(",") if item.strip()]
    if wrong := next((key for key, equals, value in pairs if not equals or not value.strip()), ""):
        raise ValueError(f"KEY=VALUE, with commas between; {plain(wrong.strip(), 40)!r} has no value")
    return {key.strip(): value.strip() for key, _, value in pairs}


def shown(setting: Setting, value: Any) -> str:
    """A value as it is read; contents of files are not shown."""
    if setting.get("file") and value not in ("", KEPT):
        return "(new)" if value is not None else ""
    return plain(written(value), 200) or "-"


class Draft:
    """Values that were typed and not yet applied; None: back to the default."""

    def __init__(self) -> None:
        self.settings: dict[str, Setting] = {}
        self.values: dict[str, Any] = {}
        self.before: dict[str, Any] = {}  # what a setting was when its draft began
        self.problems: dict[str, str] = {}

    def read(self, settings: Sequence[Setting]) -> None:
        """How they are now; what was typed stays."""
        self.settings = {setting["name"]: setting for setting in settings}
        for name in [name for name in self.values if name not in self.settings or self._is_so(name)]:
            self.forget(name)

    def _is_so(self, name: str) -> bool:
        setting, value = self.settings[name], self.values[name]
        return not setting["set"] if value is None else bool(setting["value"] == value)

    def type(self, name: str, text: str) -> None:
        """This was typed. Raises ValueError with a sentence."""
        self.put(name, meant(self.settings[name], text))

    def put(self, name: str, value: Any) -> None:
        """This value is meant; None: the default."""
        self.problems.pop(name, None)
        self.before.setdefault(name, self.settings[name]["value"])
        self.values[name] = value
        if self._is_so(name):
            self.forget(name)

    def forget(self, name: str) -> None:
        """As it is now."""
        for of in (self.values, self.before, self.problems):
            of.pop(name, None)

    def clear(self) -> None:
        """All as it is now."""
        for name in list(self.values):
            self.forget(name)
        self.problems.clear()

    def value(self, name: str) -> Any:
        """What it would be."""
        setting = self.settings[name]
        if name not in self.values:
            return setting["value"]
        return setting["default"] if self.values[name] is None else self.values[name]

    def meanwhile(self, name: str) -> str:
        """What somebody else set it to since the draft began; empty if nobody did."""
        if name not in self.values or self.before[name] == self.settings[name]["value"]:
            return ""
        return shown(self.settings[name], self.settings[name]["value"])

    def differences(self) -> list[str]:
        """Each change as a line."""
        lines = []
        for name in self.values:
            setting = self.settings[name]
            late = "" if setting.get("live", True) else "   (when the node is started again)"
            meanwhile = f"   (somebody else just set {self.meanwhile(name)})" if self.meanwhile(name) else ""
            before = shown(setting, setting["value"])
            lines.append(f"{name}: {before} → {shown(setting, self.value(name))}{meanwhile}{late}")
        return lines

    def words(self) -> str:
        """The end of the command that does the same: KEY=VALUE ..."""
        return " ".join(shlex.quote(self._word(name)) if value is not None else f"--default {name}"
                        for name, value in self.values.items())  # fmt: skip

    def _word(self, name: str) -> str:
        setting, value = self.settings[name], self.values[name]
        return f"{name}=FILE" if setting.get("file") and value else f"{name}={written(value).replace(', ', ',')}"

    def refused(self, problems: Sequence[Mapping[str, Any]]) -> None:
        """What the node found wrong, by setting."""
        self.problems = {problem["key"]: plain(problem["text"], 300) for problem in problems if problem.get("key")}
