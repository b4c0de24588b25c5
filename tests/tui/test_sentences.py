"""What the audit says reads as a sentence; what is not known stays as it is, and harmless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.sentences import sentence


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("service set limits attempts connections", "changed attempts and connections of limits"),
        ("service set limits", "changed settings of limits"),
        ("backend drain mail3", "drained the back-end mail3"),
        ("map put people maria@example.org mail2", "said that maria@example.org lives on mail2, in the map people"),
        ("audit revert 31: backend drain mail3", "took back change 31 (drained the back-end mail3)"),
        ("cert add mail.example.org imap.example.org", "added a certificate for mail.example.org, imap.example.org"),
        ("admin key add jonas SHA256:x", "added a key of jonas"),
        ("admin key remove jonas SHA256:x", "removed a key of jonas"),
        ("import users.csv into map people: 1,204 new", "imported users.csv into map people: 1,204 new"),
        ("begin to import users.csv into map people", "began to import users.csv into map people"),
        ("give up to import users.csv into map people", "gave up importing users.csv into map people"),
        ("ban add 203.0.113.7", "banned 203.0.113.7"),
        ("ban 203.0.113.7 from the console", "banned 203.0.113.7 from the console"),
        ("account import: 12 accounts", "imported 12 accounts"),
        ("map put people maria@example.org", "map put people maria@example.org"),  # a word too few
    ],
)
def test_sentences(what: str, said: str) -> None:
    assert sentence(what) == said


@given(st.text(max_size=400), st.sampled_from(["", "service set ", "admin key add ", "audit revert ", "map put "]))
def test_anything_reads_as_one_harmless_line(text: str, before: str) -> None:
    said = sentence(before + text)
    assert said.isprintable()
    assert len(said) <= 4000
