"""What an import must endure: kill -9, a client that goes away, a million lines; and what must endure the import."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from appliance.control.api import Progress, Refused
from appliance.control.api.backends import BackendRemove
from appliance.control.api.maps import MapCreate, MapImport, MapPut, MapUndo
from appliance.control.node import Node
from db import maps
from db.connect import reader
from tests.control.running import Running, raw
from tests.maps.conftest import MANY, People, Phases, line_of_many

LINES = 70_000
MEMORY = 150 << 10  # KiB
CPU_SECONDS = 15.0


@pytest.fixture
def more(people: People) -> Path:
    """Enough lines for several transactions."""
    path = people.folder / "more.csv"
    path.write_text("".join(f"u{number:06d}@x.test,beta\n" for number in range(LINES)))
    return path


OLD = {"a@x.test": "alpha", "u000007@x.test": "alpha"}


@pytest.fixture
def before(people: People) -> dict[str, str]:
    """Entries that are in force when an import begins."""
    people.load("".join(f"{address},{backend}\n" for address, backend in OLD.items()))
    return OLD


# --- kill -9 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("phase", "nth"), [("reading", 1), ("comparing", 1), ("writing", 1)])
def test_killed_at_any_moment_the_old_entries_serve_and_the_garbage_goes(
    people: People, before: dict[str, str], more: Path, controller: Running, phase: str, nth: int
) -> None:
    seen: list[str] = []

    def kill(progress: Progress) -> None:
        seen.append(progress.phase)
        if seen.count(phase) == nth:
            controller.process.send_signal(signal.SIGKILL)
            controller.process.wait()

    with pytest.raises(Refused) as refused:
        people.load_file(more, "replace", kill)
    assert refused.value.status == 3, "whether it was done is not known to the client"
    assert people.entries() == before

    again = Running(people.home)
    try:
        assert people.unfinished() == []
        assert list(people.home.staging.iterdir()) == []
        assert people.load_file(more, "replace")["new"] == LINES - 1
        assert len(people.entries()) == LINES
    finally:
        again.close()
    with closing(Node.open(people.home)) as node:
        while node.tidy():
            pass
        state = maps.state(node.reader(), "people")
        assert state is not None
        assert maps.loads(node.reader()) == {state.load, state.previous}


def test_killed_beside_the_switch_it_is_the_old_or_the_new_as_a_whole(
    people: People, before: dict[str, str], more: Path, controller: Running
) -> None:
    """The last Progress is followed by the commit: the kill falls before, into or behind it."""

    def kill(progress: Progress) -> None:
        if progress.phase == "writing" and progress.done == progress.total:
            controller.process.send_signal(signal.SIGKILL)

    with pytest.raises(Refused):
        people.load_file(more, "replace", kill)
    controller.process.wait()
    entries = people.entries()
    assert entries == before or (len(entries) == LINES and set(entries.values()) == {"beta"})


def test_a_client_that_goes_away_ends_its_import(
    people: People, before: dict[str, str], more: Path, controller: Running
) -> None:
    with raw(people.home) as connection, more.open("rb") as file:
        request = msgspec.json.encode(MapImport("people", "more.csv", mode="replace")) + b"\n"
        socket.send_fds(connection, [request], [file.fileno()])
        with connection.makefile("rb") as replies:
            for line in replies:
                if b'"writing"' in line:
                    break
        connection.shutdown(socket.SHUT_RDWR)
    deadline = time.monotonic() + 10
    while people.unfinished() or any(people.home.staging.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert people.entries() == before
    assert people.load_file(more, "merge")["applied"], "the next one is not in the way of the old"


# --- look-ups meanwhile --------------------------------------------------------------------------------------------


Answers = Callable[[], list[tuple[str | None, float]]]


@contextmanager
def looking_up(people: People, address: str) -> Iterator[Answers]:
    """Asks for this address all the time, as a worker does; the answers and how long each took."""
    answers: list[tuple[str | None, float]] = []
    over = threading.Event()

    def run() -> None:
        with closing(reader(people.home.config_db)) as connection:
            while not over.is_set():
                began = time.perf_counter()
                state = maps.state(connection, "people")
                found = maps.look(connection, state.load, address) if state else None
                answers.append((found, time.perf_counter() - began))
                time.sleep(0.0005)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: answers
    finally:
        over.set()
        thread.join()


def until_seen(answers: Answers, backend: str) -> None:
    """Wait for the next look-up that says so."""
    deadline = time.monotonic() + 10
    while not answers() or answers()[-1][0] != backend:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_look_ups_never_fail_while_an_import_runs(
    people: People, before: dict[str, str], more: Path, controller: Running
) -> None:
    with looking_up(people, "u000007@x.test") as answers:
        people.load_file(more, "replace")
        until_seen(answers, "beta")
        people.ask(MapUndo("people"))
        until_seen(answers, "alpha")
        people.load_file(more, "merge")
        until_seen(answers, "beta")
    found = [backend for backend, _ in answers()]
    assert len(found) > 100
    assert set(found) == {"alpha", "beta"}
    changes = sum(one != other for one, other in pairwise(found))
    assert changes == 3, "old, new, old again, new again: each switch at one moment"


def test_other_changes_go_on_while_an_import_runs(people: People, more: Path, controller: Running) -> None:
    people.ask(MapPut("people", "a@x.test", "alpha"))
    served: list[None] = []

    def meddle(progress: Progress) -> None:
        if progress.phase == "writing":
            people.ask(MapCreate(f"other{len(served)}", {}))
            served.append(None)

    people.load_file(more, "merge", meddle)
    assert served
    assert len(people.entries()) == LINES + 1


def test_a_back_end_that_is_removed_while_the_file_is_read_is_missed(
    people: People, more: Path, controller: Running
) -> None:
    def meddle(progress: Progress) -> None:
        if progress.phase == "comparing":
            people.ask(BackendRemove("beta"))

    with pytest.raises(Refused, match="back-end beta was removed meanwhile"):
        people.load_file(more, "replace", meddle)
    assert people.entries() == {} and people.unfinished() == []


# --- a million lines -----------------------------------------------------------------------------------------------


def memory_of(process: int) -> int:
    """The most it ever had, in KiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def cpu_of(process: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_million_lines_within_bounds_while_look_ups_go_on(people: People, many: Path, controller: Running) -> None:
    last, _, backend = line_of_many(MANY).partition(",")
    assert backend == "alpha"
    people.load(f"{last},beta\n")
    phases = Phases()
    began = cpu_of(controller.process.pid)
    with looking_up(people, last) as answers:
        report = people.load_file(many, "replace", phases)
    assert (report["read"], report["new"], report["moved"]) == (MANY, MANY - 1, 1)
    assert phases.last["writing"] == (MANY, MANY)
    assert None not in {backend for backend, _ in answers()}
    assert memory_of(controller.process.pid) < MEMORY
    assert cpu_of(controller.process.pid) - began < CPU_SECONDS


def test_one_wrong_line_in_a_million_is_named(people: People, many: Path, controller: Running) -> None:
    wrong = people.folder / "wrong.csv"
    with many.open() as lines, wrong.open("w") as file:
        for number, line in enumerate(lines, 1):
            file.write(line if number != 712_344 else line.replace("@", " at "))
    with pytest.raises(Refused) as refused:
        people.load_file(wrong)
    assert "line 712,344: 'user" in refused.value.text
    assert [error["line"] for error in refused.value.value["errors"]] == [712_344]
    assert refused.value.value["read"] == MANY
    assert people.entries() == {}
    assert memory_of(controller.process.pid) < MEMORY


def test_a_conflict_over_a_million_lines_names_both(people: People, many: Path, controller: Running) -> None:
    conflicting = people.folder / "conflicting.csv"
    with many.open("rb") as lines, conflicting.open("wb") as file:
        while block := lines.read(1 << 20):
            file.write(block)
        file.write(line_of_many(712_344).partition(",")[0].upper().encode() + b",alpha\n")
    with pytest.raises(Refused) as refused:
        people.load_file(conflicting)
    (error,) = refused.value.value["errors"]
    assert error["line"] == MANY + 1
    assert error["text"].endswith("is on alpha here, and on beta in line 712,344")
