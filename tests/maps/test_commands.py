"""The map commands as they are typed: what they print, and their exit status."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.control.running import Running
from tests.maps.conftest import People


def run(people: People, *words: str, given: bytes | None = None) -> subprocess.CompletedProcess[str]:
    """`postern map WORDS`."""
    line = [sys.executable, "-m", "appliance.cli", "--home", str(people.home.path), "map", *words]
    where = {"cwd": people.folder, "env": {"PYTHONPATH": str(Path.cwd())}}
    done = subprocess.run(line, input=given, capture_output=True, **where)  # type: ignore[call-overload]
    return subprocess.CompletedProcess(line, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(params=["stopped", "running"])
def node(request: pytest.FixtureRequest, people: People) -> str:
    """Each story twice: with the command as the only writer, and with a node that runs."""
    if request.param == "running":
        request.getfixturevalue("controller")
    return str(request.param)


def test_import_shows_counts_and_what_undo_does(people: People, node: str) -> None:
    (people.folder / "people.csv").write_text("address,backend\na@x.test,alpha\nb@x.test,beta\nB@x.test,beta\n")
    preview = run(people, "import", "people", "people.csv", "--dry-run")
    assert (preview.returncode, preview.stderr) == (0, "")
    assert preview.stdout.splitlines() == [
        "people.csv: csv (its first line has a comma), 3 entries read",
        "  2  new",
        "  0  on another back-end than before",
        "  0  gone",
        "  0  as before",
        "  1  said twice, the same",
        "  0  wrong",
        "nothing was changed",
    ]
    done = run(people, "import", "people", "people.csv")
    assert done.stdout.splitlines()[-1].startswith("imported into map people; `postern map undo people` goes back")
    again = run(people, "import", "people", "people.csv")
    assert (again.returncode, again.stdout) == (2, "")
    assert "say --replace or --merge" in again.stderr
    assert run(people, "import", "people", "people.csv", "--replace", "--merge").returncode == 2


def test_wrong_lines_are_shown_and_status_1(people: People, node: str) -> None:
    lines = "".join(f"u{number}@x.test,gam\x1bma\n" for number in range(30))
    done = run(people, "import", "people", "-", given=lines.encode())
    assert done.returncode == 1
    assert "line 1: back-end 'gam\\x1bma' is not defined" in done.stdout
    assert "and 10 more" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr.startswith("postern: standard input: nothing was imported, no line is right; line 1:")
    value = json.loads(run(people, "import", "people", "-", "--json", given=lines.encode()).stdout)
    assert value["errors"][29] == {"line": 30, "text": "back-end 'gam\\x1bma' is not defined"}
    keys = {"read", "new", "moved", "gone", "same", "duplicates", "errors"}
    assert keys <= value.keys()


def test_a_database_that_is_being_written_to_is_not_half_read(people: People) -> None:
    with closing(sqlite3.connect(people.folder / "users.db")) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE u (address, backend);")
        connection.execute("INSERT INTO u VALUES ('a@x.test', 'alpha')")
        connection.commit()
        busy = run(people, "import", "people", "users.db")
        assert busy.returncode == 1
        assert ".backup COPY" in busy.stderr
    assert run(people, "import", "people", "users.db").returncode == 0


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_export_is_what_import_reads(people: People, form: str) -> None:
    people.load('a@x.test,alpha\nb@x.test,beta\n@y.test,beta\n')
    people.load('"c,d@x.test",alpha\n', "merge")
    exported = run(people, "export", "people", "--format", form).stdout
    (people.folder / "again").write_text(exported)
    report = json.loads(run(people, "import", "people", "again", "--replace", "--json").stdout)
    assert (report["read"], report["same"], report["gone"], report["format"]) == (4, 4, 0, form)
    assert json.loads(run(people, "export", "people", "--json").stdout)[0] == {"address": "@y.test", "backend": "beta"}


def test_a_reader_that_stops_is_no_fault(people: People) -> None:
    people.load("".join(f"u{number}@x.test,alpha\n" for number in range(50_000)))
    line = f"{sys.executable} -m appliance.cli --home {people.home.path} map export people | head -1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("address,backend\n", "")


def test_single_entries(people: People, node: str) -> None:
    put = run(people, "put", "people", "Maria@x.test", "alpha")
    assert (put.returncode, put.stdout) == (0, "maria@x.test is on alpha\n")
    assert run(people, "put", "people", "maria@x.test", "beta").stdout == "maria@x.test is on beta, before on alpha\n"
    assert run(people, "get", "people", "maria@x.test").stdout == "maria@x.test  beta\n"
    assert "(by the entry maria@x.test)" in run(people, "get", "people", "maria+a@x.test").stdout
    missing = run(people, "get", "people", "jo@x.test")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == "postern: jo@x.test is not in map people\n"
    assert run(people, "remove", "people", "maria@x.test").stdout == "maria@x.test removed, it was on beta\n"
    assert run(people, "remove", "people", "maria@x.test").returncode == 1


def test_maps(people: People, node: str) -> None:
    assert run(people, "create", "more", "fold=none").returncode == 0
    assert run(people, "create", "more").returncode == 1
    assert run(people, "set", "more", "fold=lower").returncode == 0
    assert run(people, "set", "more", "fold=sideways").returncode == 1
    assert run(people, "set", "more", "fold").returncode == 2
    listed = json.loads(run(people, "list", "--json").stdout)
    assert [row["name"] for row in listed] == ["more", "people"]
    assert run(people, "list").stdout.splitlines()[1].split() == ["more", "sqlite", "0"]
    run(people, "put", "more", "a@x.test", "alpha")
    assert "1 entry: alpha 1" in run(people, "show", "more").stdout
    refused = run(people, "delete", "more")
    assert refused.returncode == 1
    assert "--delete-data" in refused.stderr
    assert run(people, "delete", "more", "--delete-data").stdout == "map more deleted\n"
    assert run(people, "get", "more", "a@x.test").returncode == 1
    assert "has the 1 entry from before" in run(people, "undo", "more").stdout
    assert run(people, "get", "more", "a@x.test").returncode == 0
    assert "used by imap" in run(people, "delete", "people").stderr


def test_the_file_is_opened_by_who_types(people: People, controller: Running) -> None:
    assert "No such file" in run(people, "import", "people", "missing.csv").stderr
    assert run(people, "import", "people", ".").returncode == 1
    secret = people.folder / "deleted.csv"
    secret.write_text("a@x.test,alpha\n")
    line = [sys.executable, "-m", "appliance.cli", "--home", str(people.home.path), "map", "import", "people", "-"]
    with secret.open("rb") as file:
        secret.unlink()  # the node gets the descriptor, not a name
        assert subprocess.run(line, stdin=file, capture_output=True).returncode == 0
    assert people.entries() == {"a@x.test": "alpha"}
