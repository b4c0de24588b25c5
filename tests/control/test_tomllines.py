"""The line that is named for a key is the line it stands in, whatever surrounds it."""

from __future__ import annotations

import tomllib
from typing import Any

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.control.tomllines import line_of, lines_of

SAMPLE = '''# a comment with [brackets] and "quotes"
[site]
domains = [   # one per line
  "a.test",   # ] not the end
  "b.test",
]
note = """
[not.a.table]
x = 1 ""quoted"" \\""" still
"""
literal = \'\'\'
y = 2
\'\'\'
[node."mail 1"]
imap.listen_tls = ["[::]:993"]

[[backend]]
name = "one"
local = { imap = "127.0.0.1:1" }
[[backend]]
  name = 'two'
  [backend.local]
  imap = "127.0.0.1:2"
[[backend]]
'''


def test_keys_tables_and_arrays_of_tables() -> None:
    lines = lines_of(SAMPLE)
    assert lines["site",] == 2
    assert lines["site", "domains"] == 3
    assert lines["site", "note"] == 7
    assert lines["site", "literal"] == 11
    assert lines["node", "mail 1", "imap", "listen_tls"] == 15
    assert lines["backend", 0] == 17
    assert line_of(lines, ("backend", 0, "local", "imap")) == 19
    assert lines["backend", 1, "name"] == 21
    assert lines["backend", 1, "local", "imap"] == 23
    assert lines["backend", 2] == 24
    assert ("site", "x") not in lines


def test_what_is_not_there_has_the_line_of_what_is_around_it() -> None:
    lines = lines_of(SAMPLE)
    assert line_of(lines, ("backend", 1, "imap")) == 20
    assert line_of(lines, ("nothing", 3)) == 1


def test_line_ends_of_windows_count_once() -> None:
    assert lines_of("[a]\r\nb = 1\r\n\r\nc = 2\r\n") == {("a",): 1, ("a", "b"): 2, ("a", "c"): 4}


WORDS = st.text(st.sampled_from("ab.=[]#\"' \\\n"), max_size=6)
VALUES = st.one_of(st.booleans(), WORDS, st.lists(WORDS, max_size=3))
TABLES = st.dictionaries(WORDS, VALUES, min_size=1, max_size=4)
DOCUMENTS = st.dictionaries(WORDS, st.one_of(TABLES, st.lists(TABLES, min_size=1, max_size=3)), max_size=4)


def rendered(key: str) -> str:
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS, st.booleans())
def test_every_key_is_found_in_the_line_that_begins_with_it(document: dict[str, Any], multiline: bool) -> None:
    text = tomli_w.dumps(document, multiline_strings=multiline)
    lines, physical = lines_of(text), text.split("\n")
    for name, value in document.items():
        several = isinstance(value, list)
        for number, table in enumerate(value if several else [value]):
            for key in table:
                path = (name, number, key) if several else (name, key)
                inline = several and physical[lines[name,] - 1].startswith(f"{rendered(name)} = [")
                begins = f"{rendered(name if inline else key)} = "
                assert physical[line_of(lines, path) - 1].strip().startswith(begins)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("a=[]{}#\"'\\\n.1, "), max_size=40))
def test_whatever_tomllib_accepts_has_a_line_for_each_of_its_keys(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert {path[0] for path in lines_of(text)} == set(document)
