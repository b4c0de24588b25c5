"""What an import would do, in words: one line for each sort of difference, with its numbers and names. Pure.

The report is the answer to MapImport. Everything in it came from a stranger's file: all of it is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich.text import Text

from tui.words import count, many, plain

Report = Mapping[str, Any]

SORTS: Final = {"new": "n", "moved": "v", "gone": "x", "errors": "r"}  # what can be listed, and by which key

COLOURS: Final = {"gone": "warning", "errors": "error"}


def number(report: Report, sort: str, mode: str) -> int:
    """How many of a sort, if it is done in this mode."""
    if sort == "gone":
        return int(report["absent"]) if mode == "replace" else 0
    return int(report["errors_total" if sort == "errors" else sort])


def differences(report: Report, mode: str, width: int, colours: Callable[[str], str], listed: str = "") -> Text:
    """The lines; `listed`: which sort is listed below; `colours`: the theme's."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for sort, key in SORTS.items():
        total = number(report, sort, mode)
        style = colours(COLOURS[sort]) if total and sort in COLOURS else "" if total else "dim"
        text.append(f" {sort:<7}{count(total):>12}   ", style)
        room = max(width - 34, 10)
        text.append(f"{_first(report, sort, mode, room):<{room}}", "" if total else "dim")
        text.append(f" {key} {'listed' if sort == listed else 'list'}\n" if _listable(report, sort) else "\n", "dim")
    same = f" {'same':<7}{count(report['same']):>12}   {_rest(report)}"
    return text.append(same, "dim")


def _listable(report: Report, sort: str) -> bool:
    return bool(entries(report, sort))


def _rest(report: Report) -> str:
    twice = report["duplicates"]
    return f"and {many(twice, 'line')} said twice, the same" if twice else ""


def _first(report: Report, sort: str, mode: str, room: int) -> str:
    if sort == "gone":
        return plain(_gone(report, mode), room)
    if sort == "errors":
        first = report["errors"][:1]
        return plain(f"line {count(first[0]['line'])}: {first[0]['text']}" if first else "", room)
    if sort == "moved":
        moves = [f"{plain(one)} → {plain(other)} {count(people)}" for one, other, people in report["moves"]]
        return plain(", ".join(moves), room)
    new = report["examples"].get("new", [])[:2]
    return plain(", ".join(f"{plain(who)} → {plain(where)}" for who, where in new), room)


def _gone(report: Report, mode: str) -> str:
    absent = report["absent"]
    if not absent:
        return ""
    if mode != "replace":
        return f"{count(absent)} that the file does not name stay (m)"
    return "they are in this map no more (m: they stay)"


def entries(report: Report, sort: str) -> list[dict[str, Any]]:
    """The rows of one sort, as far as the report names them."""
    if sort == "errors":
        return [
            {"id": str(at), "what": f"line {count(wrong['line'])}: {wrong['text']}", "before": "", "then": ""}
            for at, wrong in enumerate(report["errors"])
        ]
    rows: Sequence[Sequence[str]] = report["examples"].get(sort, [])
    if sort == "moved":
        return [{"id": who, "what": who, "before": before, "then": then} for who, before, then in rows]
    side = "then" if sort == "new" else "before"
    return [{"id": who, "what": who, "before": "", "then": "", side: where} for who, where in rows]


def worth(report: Report, mode: str) -> bool:
    """Whether there is anything to apply."""
    right = report["read"] > report["errors_total"]
    return right and any(number(report, sort, mode) for sort in ("new", "moved", "gone"))


def verdict(report: Report, mode: str) -> str:
    """What applying it means, in one sentence."""
    wrong = report["errors_total"]
    if wrong and wrong == report["read"]:
        return "No line is right: nothing can be imported. Is it the right file, and format (f)?"
    skipped = f", skip {many(wrong, 'wrong line')}" if wrong else ""
    if not worth(report, mode):
        return f"Every entry is so already: there is nothing to apply{skipped}."
    return f"A applies it: {numbers(report, mode)}{skipped}. Until then, and on Esc, all stays as it is."


def numbers(report: Report, mode: str) -> str:
    """What is another than before."""
    counted = [(number(report, sort, mode), sort) for sort in ("new", "moved", "gone")]
    return ", ".join(f"{count(many)} {sort}" for many, sort in counted if many) or "nothing is another than before"
