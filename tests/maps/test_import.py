"""Stories of imports: what is counted, what blocks, what shows when."""

from __future__ import annotations

import io
import os
import sqlite3
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.control.api import Refused
from appliance.control.api.config import ConfigExport
from appliance.control.api.maps import MapCreate, MapImport, MapPut
from appliance.control.api.services import ServiceSet
from appliance.control.client import Client
from appliance.control.importing import KEPT
from db.staging import Staging
from tests.control.running import Running
from tests.maps.conftest import People, Phases

COUNTS = ("read", "new", "moved", "gone", "same", "duplicates", "errors_total")


def counts(report: dict[str, object]) -> tuple[object, ...]:
    """The numbers of a report in the order of COUNTS."""
    return tuple(report[key] for key in COUNTS)


def test_the_first_import_needs_no_mode(people: People) -> None:
    report = people.load("a@x.test,alpha\nb@x.test,beta\n@y.test,beta\n")
    assert counts(report) == (3, 3, 0, 0, 0, 0, 0)
    assert report["applied"]
    assert people.entries() == {"a@x.test": "alpha", "b@x.test": "beta", "@y.test": "beta"}


def test_into_entries_a_mode_must_be_said(people: People) -> None:
    people.load("a@x.test,alpha\n")
    assert people.refused("b@x.test,beta\n").status == 2


def test_replace_and_merge(people: People) -> None:
    people.load("a@x.test,alpha\nb@x.test,beta\nc@x.test,alpha\n")
    second = "a@x.test,alpha\nb@x.test,alpha\nd@x.test,beta\n"
    assert counts(people.load(second, "merge")) == (3, 1, 1, 0, 1, 0, 0)
    assert people.entries() == {"a@x.test": "alpha", "b@x.test": "alpha", "c@x.test": "alpha", "d@x.test": "beta"}
    assert counts(people.load(second, "replace")) == (3, 0, 0, 1, 3, 0, 0)
    assert people.entries() == {"a@x.test": "alpha", "b@x.test": "alpha", "d@x.test": "beta"}


def test_what_is_so_already_writes_nothing(people: People) -> None:
    people.load("a@x.test,alpha\n")
    before = people.home.config_db.read_bytes()
    report = people.load("A@X.test,alpha\n", "replace")
    assert not report["applied"]
    assert people.home.config_db.read_bytes() == before


def test_a_dry_run_counts_and_changes_nothing(people: People) -> None:
    people.load("a@x.test,alpha\nb@x.test,beta\n")
    report = people.load("a@x.test,beta\nc@x.test,beta\n", "replace", dry_run=True)
    assert counts(report) == (2, 1, 1, 1, 0, 0, 0)
    assert not report["applied"]
    assert people.entries() == {"a@x.test": "alpha", "b@x.test": "beta"}


def test_every_fault_is_named_with_its_line_and_blocks(people: People) -> None:
    people.load("a@x.test,alpha\n")
    refused = people.refused(
        b"b@x.test,beta\n"
        b"c@x.test,gamma\n"
        b"no address at all,alpha\n"
        b"d@x.test\n"
        b"\xff@x.test,alpha\n"
        b"e\0@x.test,alpha\n"
        b"B@X.TEST,alpha\n"  # is on beta in line 1
        b"b@x.test,beta\n"  # and this is line 1 again
        b"@,alpha\n"
        b"f@x.test,\n" + b"g" * 9000 + b"\nh@x.test,alpha\n",
        "merge",
    )
    assert refused.status == 1
    assert [error["line"] for error in refused.value["errors"]] == [2, 3, 4, 5, 6, 7, 9, 10, 11]
    texts = {error["line"]: error["text"] for error in refused.value["errors"]}
    assert "'gamma' is not defined" in texts[2]
    assert "'no address at all'" in texts[3]
    assert texts[7] == "b@x.test is on alpha here, and on beta in line 1"
    assert "names no back-end" in texts[10]
    assert "line 2: back-end 'gamma'" in refused.text
    assert counts(refused.value) == (12, 2, 0, 0, 0, 1, 9)


def test_skip_errors_takes_the_rest_and_the_first_of_a_conflict(people: People) -> None:
    content = "a@x.test,alpha\nb@x.test,gamma\na@x.test,beta\nc@x.test,beta\n"
    report = people.load(content, skip_errors=True)
    assert counts(report) == (4, 2, 0, 0, 0, 0, 2)
    assert people.entries() == {"a@x.test": "alpha", "c@x.test": "beta"}


def test_when_nothing_is_right_even_skip_errors_imports_nothing(people: People) -> None:
    people.load("a@x.test,alpha\n")
    refused = people.refused("b@x.test,gamma\n", "replace", skip_errors=True)
    assert "no line is right" in refused.text


@pytest.mark.parametrize("content", [b"", b"\n\n", b"address,backend\n"])
def test_an_empty_file_never_empties_a_map(people: People, content: bytes) -> None:
    people.load("a@x.test,alpha\n")
    assert people.refused(content, "replace").status == 1


def test_errors_beyond_a_thousand_are_counted(people: People) -> None:
    lines = [f"u{number}@x.test,gamma" for number in range(2500)]
    refused = people.refused("u9999@x.test,alpha\nu9999@x.test,beta\n" + "\n".join(lines))
    assert refused.value["errors_total"] == 2501
    assert [error["line"] for error in refused.value["errors"]] == list(range(2, KEPT + 2))
    assert "2,501 lines are wrong" in refused.text


def test_names_are_stored_as_look_ups_ask_for_them(people: People) -> None:
    people.ask(ServiceSet("site", {"default_domain": "home.test", "aliases": {"old.test": "new.test"}}))
    people.load(" Maria ,alpha\nJO@Bücher.Example,alpha\nx@OLD.test,beta\n@Old.Test, beta\n")
    assert people.entries() == {
        "maria@home.test": "alpha", "jo@xn--bcher-kva.example": "alpha", "x@new.test": "beta", "@new.test": "beta",
    }


def test_a_map_that_does_not_fold_keeps_upper_case(people: People) -> None:
    people.ask(MapCreate("exact", {"fold": "none"}))
    path = people.folder / "exact.csv"
    path.write_text("Maria@X.test,alpha\nmaria@x.test,beta\n")
    with path.open("rb") as file:
        report = people.ask(MapImport("exact", "exact.csv"), file=file)
    assert counts(report) == (2, 2, 0, 0, 0, 0, 0)


def test_a_pipe(people: People) -> None:
    output, back = os.pipe()
    content = b"".join(b"u%06d@x.test,alpha\n" % number for number in range(20_000))

    def write() -> None:
        with os.fdopen(back, "wb") as file:
            file.write(content)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(output, "rb") as file:
        report = people.ask(MapImport("people", "standard input"), file=file)
    writer.join()
    assert report["new"] == 20_000


def test_sqlite_by_table(people: People) -> None:
    path = people.folder / "users.db"
    connection = sqlite3.connect(path)
    connection.executescript("""PRAGMA journal_mode = WAL; CREATE TABLE other (x);
        CREATE TABLE mailbox (backend TEXT, note TEXT, address TEXT);
        INSERT INTO mailbox VALUES ('alpha', '', 'A@x.test'), ('beta', '', 'b@x.test');""")
    connection.close()
    with pytest.raises(Refused, match=r"users.db: say which table by --table; its tables: other, mailbox"):
        people.load_file(path)
    report = people.load_file(path, table="mailbox")
    assert report["format"] == "sqlite"
    assert people.entries() == {"a@x.test": "alpha", "b@x.test": "beta"}


@pytest.mark.parametrize(("content", "form"), [
    (b"a@x.test\talpha\n", "tsv"), (b'{"address": "a@x.test", "backend": "alpha"}\n', "jsonl"),
])
def test_the_format_is_told_and_the_reason_shown(people: People, content: bytes, form: str) -> None:
    report = people.load(content)
    assert report["format"] == form
    assert report["reason"]
    assert people.entries() == {"a@x.test": "alpha"}


def test_a_format_that_is_said_is_believed(people: People) -> None:
    assert people.load("a@x.test\talpha\n", format="tsv")["format"] == "tsv"
    assert people.refused("a@x.test\talpha\n", "merge", format="csv").value["errors"][0]["line"] == 1
    assert people.refused("x\n", "merge", format="xls").status == 2


def test_what_cannot_be_imported_into(people: People) -> None:
    people.ask(MapCreate("filed", {"type": "file", "path": "/etc/hosts"}))
    for name, says in (("nobody", "there is no map nobody"), ("filed", "of type file")):
        with pytest.raises(Refused, match=says):
            people.ask(MapImport(name, "x"), file=io.BytesIO(b"a@x.test,alpha\n"))


def test_nothing_stays_in_the_staging_folder(people: People) -> None:
    people.load("a@x.test,alpha\n")
    people.refused("a@x.test,gamma\n", "merge")
    assert list(people.home.staging.iterdir()) == []


def test_a_change_meanwhile_is_a_conflict_and_stays(people: People) -> None:
    people.load("a@x.test,alpha\n")
    path = people.folder / "more.csv"
    path.write_text("".join(f"u{number}@x.test,beta\n" for number in range(100_000)))
    with Client.connect(people.home) as client:
        changed: list[object] = []

        def meddle(progress: object) -> None:
            if getattr(progress, "phase", "") == "writing" and not changed:
                changed.append(client.ask(MapPut("people", "b@x.test", "beta")))

        with path.open("rb") as file, pytest.raises(Refused, match="nothing was imported: map people was changed"):
            client.ask(MapImport("people", "more.csv", mode="replace"), file=file, progress=meddle)
    assert people.entries() == {"a@x.test": "alpha", "b@x.test": "beta"}
    assert people.unfinished() == []


def test_one_import_at_a_time(people: People) -> None:
    path = people.folder / "more.csv"
    path.write_text("a@x.test,alpha\n")
    with Client.connect(people.home) as client:
        refusals = []

        def second(_: object) -> None:
            with path.open("rb") as file, pytest.raises(Refused) as refused:
                client.ask(MapImport("people", "more.csv"), file=file)
            refusals.append(refused.value.text)

        with path.open("rb") as file:
            client.ask(MapImport("people", "more.csv"), file=file, progress=second)
    assert all("another import is under way" in text for text in refusals)
    assert refusals


def test_progress_and_a_running_node(people: People, controller: Running) -> None:
    path = people.folder / "more.csv"
    path.write_text("".join(f"u{number}@x.test,beta\n" for number in range(100_000)))
    phases = Phases()
    report = people.load_file(path, progress=phases)
    assert report["new"] == 100_000
    assert list(phases.last) == ["reading", "comparing", "writing"]
    assert phases.last["reading"] == (path.stat().st_size,) * 2
    assert phases.last["writing"] == (100_000, 100_000)
    assert len(people.entries()) == 100_000


def test_the_configuration_holds_no_entries(people: People) -> None:
    people.load("a@x.test,alpha\n")
    assert "a@x.test" not in str(people.ask(ConfigExport()))


# --- the comparison, against a plain model -------------------------------------------------------------------------

ADDRESSES = st.sampled_from([f"{name}@x.test" for name in "abcdefgh"])
BACKENDS = st.sampled_from(["alpha", "beta", "gamma"])


@given(
    entries=st.dictionaries(ADDRESSES, BACKENDS),
    lines=st.lists(st.tuples(ADDRESSES, BACKENDS), min_size=1, max_size=30),
)
def test_the_comparison_agrees_with_a_plain_model(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, str], lines: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("staging")
    node = sqlite3.connect(folder / "config.db", isolation_level=None)
    node.execute("CREATE TABLE map_entry (load, address, backend, PRIMARY KEY (load, address)) WITHOUT ROWID")
    node.executemany("INSERT INTO map_entry VALUES (7, ?, ?)", entries.items())
    node.executemany("INSERT INTO map_entry VALUES (6, ?, 'other')", [(address,) for address in entries])
    staging = Staging(folder / "rows.db", folder / "config.db")
    staging.add([(number, *line) for number, line in enumerate(lines, 1)])

    first: dict[str, tuple[int, str]] = {}
    conflicts = []
    for number, (address, backend) in enumerate(lines, 1):
        at, named = first.setdefault(address, (number, backend))
        if named != backend:
            conflicts.append((number, address, backend, at, named))
    wanted = {address: backend for address, (_, backend) in first.items()}
    differing = {address: backend for address, backend in wanted.items() if entries.get(address) != backend}

    assert staging.seal(5) == (len(conflicts), conflicts[:5])
    assert list(staging.rows()) == sorted(wanted.items())
    assert list(staging.changes(7)) == sorted(differing.items())
    moved = len(differing.keys() & entries.keys())
    new, same, gone = len(differing) - moved, len(wanted) - len(differing), len(entries.keys() - wanted.keys())
    assert tuple(staging.compare(7)) == (len(wanted), new, moved, same, gone)
    assert tuple(staging.compare(0)) == (len(wanted), len(wanted), 0, 0, 0)
    staging.close()
    node.close()
