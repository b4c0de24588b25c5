"""The log line: one line, whatever a peer calls itself."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.messages import Outcome
from appliance.wire.logline import Log, escaped, line


def outcome(user: str = "maria@example.test", why: str = "") -> Outcome:
    return Outcome(1.0, "s1", "imap", user, "192.0.2.1", "beta", "map people", "", why, [1.04, 2.0, 3.0, 6.0])


def test_a_line() -> None:
    assert line(outcome()) == (
        "login=ok session=s1 service=imap user=maria@example.test client=192.0.2.1 backend=beta"
        ' source="map people" ms=6.0 admission=1.0 dial=2.0 there=3.0'
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", '""'),
        ("x login=ok", '"x login=ok"'),
        ('say "hi"\\', r'"say \"hi\"\\"'),
        ("a\r\nb\x1b[2J", r'"a\r\nb\x1b[2J"'),
        ("\u202ebidi\u2028", r'"\u202ebidi\u2028"'),
        ("\ud800", r'"\ud800"'),
        ("müller", '"müller"'),
    ],
)
def test_strangers_texts(text: str, written: str) -> None:
    assert escaped(text) == written


@given(st.text(), st.text())
def test_any_text_stays_in_its_field(user: str, why: str) -> None:
    written = line(outcome(user, why))
    assert written.isprintable()
    fields = re.sub(r'"(?:[^"\\]|\\.)*"', "Q", written)
    assert re.fullmatch(r"(?:[a-z]+=[^ =]+ ?)+", fields)
    assert fields.count("login=") == 1


def test_lines_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    read_end, write_end = os.pipe()
    Log(write_end).write([outcome("one"), outcome("two")])
    written = os.read(read_end, 10000).decode().splitlines()
    assert [entry[:3] for entry in written] == ["<6>", "<6>"]
    os.close(read_end)
    os.close(write_end)


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    Log(write_end).write([outcome()])
    os.close(write_end)
