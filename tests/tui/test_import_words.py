"""What the import screen says of progress and differences, whatever a file or the node says."""

from __future__ import annotations

import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appliance.control.api import Progress
from tui import differences
from tui.meter import Meter

REPORT: dict[str, Any] = {
    "read": 1_048_576, "new": 1204, "moved": 311, "gone": 0, "absent": 12, "same": 1_047_057, "duplicates": 2,
    "errors_total": 2, "errors": [{"line": 712_344, "text": "back-end 'mail9' is not defined"}],
    "moves": [["mail3", "mail1", 300], ["mail1", "mail2", 11]],
    "examples": {"new": [["aaron@x.test", "mail1"]], "moved": [["bea@x.test", "mail3", "mail1"]],
                 "gone": [["zoe@x.test", "mail2"]]},
}  # fmt: skip


def lines(mode: str, width: int = 80, **more: Any) -> str:
    return differences.differences({**REPORT, **more}, mode, width, lambda name: "").plain


def test_each_sort_has_its_number_and_its_first() -> None:
    shown = lines("merge")
    for words in ("1,204", "aaron@x.test → mail1", "mail3 → mail1 300, mail1 → mail2 11", "12 that the file does",
                  "line 712,344: back-end", "2 lines said twice"):  # fmt: skip
        assert words in shown
    assert max(map(len, shown.split("\n"))) <= 80


def test_what_is_gone_depends_on_the_mode() -> None:
    assert differences.number(REPORT, "gone", "merge") == 0
    assert differences.number(REPORT, "gone", "replace") == 12
    assert differences.numbers(REPORT, "replace") == "1,204 new, 311 moved, 12 gone"


def test_nothing_to_apply_is_said() -> None:
    same = {**REPORT, "new": 0, "moved": 0, "errors_total": 0}
    assert not differences.worth(same, "merge")
    assert "nothing to apply" in differences.verdict(same, "merge")
    assert differences.worth(same, "replace")
    assert "No line is right" in differences.verdict({**same, "read": 5, "errors_total": 5}, "merge")


def test_rows_of_each_sort() -> None:
    assert differences.entries(REPORT, "moved")[0]["before"] == "mail3"
    assert differences.entries(REPORT, "gone") == [
        {"id": "zoe@x.test", "what": "zoe@x.test", "before": "mail2", "then": ""}
    ]
    assert differences.entries(REPORT, "errors")[0]["what"].startswith("line 712,344: back-end")


@given(st.text(), st.text(), st.integers(20, 200))
def test_a_strangers_file_cannot_disturb_a_terminal(address: str, text: str, width: int) -> None:
    examples = {"new": [[address, text]], "moved": [], "gone": []}
    shown = lines("merge", width, examples=examples, moves=[[address, text, 3]], errors=[{"line": 1, "text": text}])
    assert shown.count("\n") == 4
    harmful = ("Cc", "Cf", "Zl", "Zp")
    assert not [letter for letter in shown if letter != "\n" and unicodedata.category(letter) in harmful]


def test_a_meter_says_share_rate_and_time_left() -> None:
    meter = Meter()
    assert meter.told(Progress("reading", 0, 40 << 20), 100.0)
    assert not meter.told(Progress("reading", 10 << 20, 40 << 20), 102.0)
    line = meter.line(80)
    assert "reading the file" in line and " 25 %" in line and "10M of 40M" in line
    assert "5.0M/s  6s left" in line
    assert len(line) <= 80
    assert meter.told(Progress("comparing", 0, 0), 103.0)
    assert meter.line(80) == "comparing with what is live"


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**40), st.floats(0, 1e6)), max_size=5),
       st.integers(60, 200))  # fmt: skip
def test_a_meter_fits_whatever_it_is_told(steps: list[tuple[int, int, float]], width: int) -> None:
    meter = Meter()
    for done, total, at in steps:
        meter.told(Progress("writing", done, total), at)
        assert "\n" not in meter.line(width)
        assert meter.line(width).count("█") + meter.line(width).count("░") <= width
