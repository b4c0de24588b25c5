"""The shape of every file: small, says what it is, has a name of the field. The exceptions stand here, with reasons."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("appliance", "db", "tui", "tests")
FILE_LINES = 300
FUNCTION_LINES = 40
VAGUE = {"utils", "util", "common", "helpers", "helper", "manager", "misc", "base_utils"}

# file: why it may be longer than FILE_LINES
LONG_FILES: dict[str, str] = {
}
# "file:function": why it may be longer than FUNCTION_LINES
LONG_FUNCTIONS: dict[str, str] = {
    "tests/bench/run.py:main": "a list of options and one loop",
}


def sources() -> list[str]:
    """Every Python file of the project that says anything."""
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py")) if file.stat().st_size]
    return [str(file.relative_to(ROOT)) for file in files]


SOURCES = sources()


def test_there_are_sources() -> None:
    assert "appliance/terms.py" in SOURCES


@pytest.mark.parametrize("name", SOURCES)
def test_shape(name: str) -> None:
    text = (ROOT / name).read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "opens without saying what it is"
    assert not VAGUE & {part.lower() for part in Path(name).with_suffix("").parts}, "a name that says nothing"
    lines = text.count("\n")
    assert lines <= FILE_LINES or name in LONG_FILES, f"{lines} lines"
    long = {f"{name}:{node.name}": body_lines(node) for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > FUNCTION_LINES}
    assert not long.keys() - LONG_FUNCTIONS, f"long functions: {long}"


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the function, its docstring and signature not counted."""
    docstring = 1 if ast.get_docstring(node, clean=False) is not None else 0
    if len(node.body) == docstring:
        return 0
    return (node.end_lineno or 0) - node.body[docstring].lineno + 1


def test_the_lists_of_reasons_hold_nothing_stale() -> None:
    for name in LONG_FILES:
        assert (ROOT / name).read_text().count("\n") > FILE_LINES, f"{name} is short now"
    for place in LONG_FUNCTIONS:
        name, function = place.split(":")
        lengths = [body_lines(node) for node in ast.walk(ast.parse((ROOT / name).read_text()))
                   if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function]
        assert any(length > FUNCTION_LINES for length in lengths), f"{place} is short now"
