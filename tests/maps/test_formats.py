"""The readers of import files: any octets, the right line for every fault, bounded memory."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.control.formats import FORMATS, Source, Unreadable, Wrong, detect
from appliance.control.formats.lines import BLOCK, LONGEST

COLUMNS = ("address", "backend")


def read(form: str, content: bytes) -> tuple[list[tuple[int, str, str]], list[Wrong]]:
    """All rows and wrong lines of a file with this content."""
    batches = list(FORMATS[form].read(Source(io.BytesIO(content), len(content)), COLUMNS))
    return [row for batch in batches for row in batch.rows], [wrong for batch in batches for wrong in batch.wrong]


def database(path: Path, script: str) -> Source:
    """A SQLite file made by this script."""
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return Source(path.open("rb"), path.stat().st_size, path)


def read_database(source: Source, table: str = "") -> tuple[list[tuple[int, str, str]], list[Wrong]]:
    """All rows and wrong rows of a table."""
    chosen = Source(source.file, source.size, source.path, table)
    batches = list(FORMATS["sqlite"].read(chosen, COLUMNS))
    return [row for batch in batches for row in batch.rows], [wrong for batch in batches for wrong in batch.wrong]


# --- what is right -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [
    b"a@x.test,alpha\nb@x.test,beta\n",
    b"a@x.test,alpha\r\nb@x.test,beta\r\n",
    b"a@x.test,alpha\nb@x.test,beta",
    b"\xef\xbb\xbfa@x.test,alpha\nb@x.test,beta\n",
    b'"a@x.test","alpha"\n"b@x.test",beta\n',
])
def test_csv(content: bytes) -> None:
    assert read("csv", content) == ([(1, "a@x.test", "alpha"), (2, "b@x.test", "beta")], [])


@pytest.mark.parametrize("content", [
    b"address,backend\na@x.test,alpha\n",
    b"Address, Backend\na@x.test,alpha\n",
    b"\xef\xbb\xbfaddress,note,backend\na@x.test,hello,alpha\n",
    b"backend,address\nalpha,a@x.test\n",
    b'address,note,backend\na@x.test,"one, two",alpha\n',
])
def test_a_header_allows_any_order(content: bytes) -> None:
    assert read("csv", content) == ([(2, "a@x.test", "alpha")], [])


def test_empty_lines_count_but_are_no_rows() -> None:
    rows, _ = read("csv", b"\n\na@x.test,alpha\n\n\nb@x.test,beta\n")
    assert rows == [(3, "a@x.test", "alpha"), (6, "b@x.test", "beta")]


def test_tsv_has_no_quotes() -> None:
    assert read("tsv", b'address\tbackend\n"a"@x.test\talpha\n') == ([(2, '"a"@x.test', "alpha")], [])


def test_jsonl() -> None:
    first = b'{"address": "a@x.test", "backend": "alpha"}'
    third = b'{"backend": "beta", "n": 1, "address": "b\\u0040"}'
    assert read("jsonl", first + b"\n\n" + third) == ([(1, "a@x.test", "alpha"), (3, "b@", "beta")], [])


@pytest.mark.parametrize("schema", [
    "CREATE TABLE users (address, backend); INSERT INTO users VALUES ('a@x.test', 'alpha');",
    "CREATE TABLE users (id INTEGER, Backend, note, ADDRESS); INSERT INTO users VALUES (7, 'alpha', '', 'a@x.test');",
    "CREATE TABLE users (mail, host); INSERT INTO users VALUES ('a@x.test', 'alpha');",
    "CREATE TABLE t (m, h); INSERT INTO t VALUES ('A@X.test', 'alpha');"
    "CREATE VIEW users AS SELECT lower(m) AS address, h AS backend FROM t;",
])
def test_sqlite(tmp_path: Path, schema: str) -> None:
    assert read_database(database(tmp_path / "u.db", schema), "users") == ([(1, "a@x.test", "alpha")], [])


def test_sqlite_takes_the_only_table_and_names_the_choice_otherwise(tmp_path: Path) -> None:
    one = database(tmp_path / "one.db", "CREATE TABLE users (address, backend);")
    assert read_database(one) == ([], [])
    two = database(tmp_path / "two.db", "CREATE TABLE a (address, backend); CREATE TABLE b (x);")
    with pytest.raises(Unreadable, match="--table; its tables: a, b"):
        read_database(two)
    with pytest.raises(Unreadable, match="no table c"):
        read_database(two, "c")


def test_sqlite_says_which_row_is_wrong(tmp_path: Path) -> None:
    source = database(tmp_path / "u.db", """CREATE TABLE users (address, backend);
        INSERT INTO users VALUES ('a@x.test', 'alpha'), (NULL, 'alpha'), (12, 'alpha'), (x'ff40', 'alpha'),
                                 ('b@x.test', 'al' || char(0) || 'pha'), ('c@x.test', 'beta');""")
    rows, wrong = read_database(source)
    assert rows == [(1, "a@x.test", "alpha"), (6, "c@x.test", "beta")]
    assert wrong == [Wrong(2, "address is no text"), Wrong(3, "address is no text"), Wrong(4, "address is not UTF-8"),
                     Wrong(5, "backend has a NUL octet")]


def test_a_table_name_is_no_sql(tmp_path: Path) -> None:
    name = 'users"; DROP TABLE x; --'
    quoted = name.replace('"', '""')
    source = database(tmp_path / "u.db", f"""CREATE TABLE "{quoted}" (address, backend);
        INSERT INTO "{quoted}" VALUES ('a@x.test', 'alpha');""")
    assert read_database(source, name) == ([(1, "a@x.test", "alpha")], [])


# --- what is wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "says"), [
    (b"a@x.test", "has 1 columns, not 2"),
    (b"a@x.test,alpha,more", "has 3 columns, not 2"),
    (b'"a@x.test,alpha', "quoted cell"),
    (b'"a"b@x.test,alpha', "quoted cell"),
    (b"\xff\xfe@x.test,alpha", "not UTF-8 at octet 1"),
    (b"a\0@x.test,alpha", "NUL"),
    (b"a" * (LONGEST + 1), "longer than 8192 octets"),
    (b"a" * (3 * BLOCK), "longer than 8192 octets"),
])
def test_a_wrong_line_spoils_only_itself(line: bytes, says: str) -> None:
    rows, wrong = read("csv", b"a@x.test,alpha\n" + line + b"\nb@x.test,beta\n" + line + b"\nc@x.test,beta\n")
    assert [number for number, _, _ in rows] == [1, 3, 5]
    assert [error.line for error in wrong] == [2, 4]
    assert all(says in error.text for error in wrong)


def test_a_header_without_our_columns_is_refused() -> None:
    with pytest.raises(Unreadable, match="column backend once: address, host"):
        read("csv", b"address,host\na@x.test,alpha\n")


def test_a_wrong_json_line_is_named() -> None:
    rows, wrong = read("jsonl", b'{"address": "a@x.test"}\n[]\n{"address": 1, "backend": "b"}\n' + b"[" * 5000 + b"\n")
    assert rows == []
    assert [error.line for error in wrong] == [1, 2, 3, 4]


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "u.db"
    path.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    with pytest.raises(Unreadable, match="SQLite says"):
        read_database(Source(path.open("rb"), 1, path))


# --- which format it is ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("head", "form"), [
    (b"a@x.test,alpha\n", "csv"), (b"\n\na@x.test,alpha\n", "csv"), (b"\xef\xbb\xbfaddress,backend\n", "csv"),
    (b"a@x.test\talpha\n", "tsv"), (b'{"address": "a"}\n', "jsonl"), (b"SQLite format 3\0...", "sqlite"),
])
def test_detection(head: bytes, form: str) -> None:
    found, reason = detect(head)
    assert found == form
    assert reason


@pytest.mark.parametrize(("head", "says"), [
    (b"", "empty"), (b"\n \n", "empty"), (b"a@x.test alpha\n", "--format"), (b"\xff\xfea\0,\0", "UTF-16"),
    (b"\x1f\x8b\x08", "gzip"), (b"PK\x03\x04", "spreadsheet"),
])
def test_no_format(head: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        detect(head)


# --- any octets --------------------------------------------------------------------------------------------------

FRAGMENTS = st.sampled_from([
    b"\n", b"\r\n", b",", b"\t", b'"', b"\0", b"\xff", b"a@x.test", b"alpha", b"address", b"backend", b"{", b"}", b":",
    b'{"address":"a","backend":"b"}', "ü".encode(), b"\xef\xbb\xbf", b" ", b"x" * 9000,
])
OCTETS = st.one_of(st.binary(max_size=400), st.lists(FRAGMENTS, max_size=40).map(b"".join))


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
@given(content=OCTETS)
def test_any_octets_are_rows_or_wrong_lines_each_once(form: str, content: bytes) -> None:
    try:
        rows, wrong = read(form, content)
    except Unreadable:
        return
    lines = content.split(b"\n")
    named = [number for number, _, _ in rows] + [error.line for error in wrong]
    assert len(named) == len(set(named))
    assert all(1 <= number <= len(lines) for number in named)
    named_by_reader = set(named)
    for number, line in enumerate(lines, 1):
        if form != "jsonl" and line.strip(b"\r\xef\xbb\xbf") and number not in named_by_reader:
            assert b"address" in line, "only a header may go unmentioned"


@given(content=st.binary(max_size=2000))
def test_any_octets_are_a_database_or_unreadable(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "u.db"
    path.write_bytes(b"SQLite format 3\0" + content)
    with path.open("rb") as file, pytest.raises(Unreadable):
        list(FORMATS["sqlite"].read(Source(file, 1, path), COLUMNS))


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0"), min_size=1, max_size=20)


@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=30))
def test_what_other_programs_write_reads_the_same(rows: list[tuple[str, str]]) -> None:
    made = io.StringIO()
    csv.writer(made, quoting=csv.QUOTE_ALL).writerows([COLUMNS, *rows])
    expected = [(number, *row) for number, row in enumerate(rows, 2)]
    assert read("csv", made.getvalue().encode()) == (expected, [])
    made_json = "\n".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in rows)
    assert read("jsonl", b"\n" + made_json.encode()) == (expected, [])


def test_lines_are_counted_across_blocks() -> None:
    good = b"user%07d@example.test,alpha\n"
    content = b"".join(good % number for number in range(1, 50_001))
    content = content.replace(b"33333@example.test,", b"33333@example.test;")
    rows, wrong = read("csv", content)
    assert len(content) > 4 * BLOCK
    assert wrong == [Wrong(33333, "has 1 columns, not 2")]
    assert all(address == f"user{number:07d}@example.test" for number, address, _ in rows)


def test_a_file_without_line_ends_is_not_held() -> None:
    class Endless(io.RawIOBase):
        left = 64 << 20

        def read(self, size: int = -1) -> bytes:
            self.left -= size
            return b"x" * size if self.left >= 0 else b""

    tracemalloc.start()
    batches = list(FORMATS["csv"].read(Source(Endless()), COLUMNS))  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [error.text for batch in batches for error in batch.wrong] == ["longer than 8192 octets"]
    assert peak < 4 * BLOCK
