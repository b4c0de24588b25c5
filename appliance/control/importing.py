"""Imports into maps: read and judge everything, compare, and only then write, as one change that shows at its end.

A file of any size goes through a staging file on disk, so memory stays bounded. Writing is a begin entry, the rows in
chunks, and a commit that switches the map to them; before the commit nothing is visible. Whatever ends an import early
(an error line, a full disk, a client that went away, kill -9) leaves the entries before it in force; the rows written
so far are dropped, by an abort entry or at the next start. Must never hold more than a batch of rows.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

import msgspec

from appliance.cluster.log import MAX_ROWS, Entry
from appliance.control import configured, mapsessions, mapstate
from appliance.control.api import Done, Progress, Refused, Reply
from appliance.control.api.maps import MapImport
from appliance.control.formats import FORMATS, HEAD, Source, Unreadable, Wrong, detect
from appliance.control.mapentries import EntryRules
from appliance.control.node import By, Node
from appliance.control.sentfile import sent
from db import audit, maps
from db.maps import MapState
from db.staging import Difference, Staging

FIRST: Final = 3  # rows of a file that are shown as they are
SHOWN: Final = 200  # characters of their cells
EXAMPLES: Final = 100  # addresses that a dry run names, of each sort
KEPT: Final = 1000  # error lines that are named; those beyond are counted
BATCH: Final = 16  # log entries in one transaction: other changes wait for no more, and no more is held in memory
COLUMNS: Final = ("address", "backend")
SWEEPER: Final = By("postern", "this node")

_one_at_a_time: Final = threading.Lock()  # an import may use 100 MB; two would not be twice as fast


class Report(msgspec.Struct):
    """What an import found, and did. read = new + moved + same + duplicates + errors_total."""

    map: str
    format: str
    reason: str
    read: int = 0
    new: int = 0
    moved: int = 0
    gone: int = 0
    same: int = 0
    duplicates: int = 0
    absent: int = 0  # entries of the map that the file does not name: those that `gone` counts if it replaces them
    first: list[list[int | str]] = []  # rows as they were read: line, address, back-end
    moves: list[list[str | int]] = []  # of a dry run: from, to, how many
    examples: dict[str, list[list[str]]] = {}  # of a dry run: new, moved, gone
    errors: list[Wrong] = []
    errors_total: int = 0
    applied: bool = False

    def add_errors(self, wrong: list[Wrong], count: int) -> None:
        """Keep the first of all, by line."""
        if wrong:
            self.errors = sorted(self.errors + wrong, key=lambda error: error.line)[:KEPT]
        self.errors_total += count


def run(node: Node, by: By, request: MapImport, file: BinaryIO | None) -> Iterator[Reply]:
    """The handler of MapImport. Raises Refused."""
    if not _one_at_a_time.acquire(blocking=False):
        raise Refused("another import is under way: wait until it has ended")
    try:
        sweep(node)
        with sent(node.home, request.file, file, "map import") as source, _folder(node.home.staging) as folder:
            done = yield from _run(node, by, request, source, folder)
    except Unreadable as error:
        raise Refused(f"{request.file}: {error}") from error
    except sqlite3.Error as error:  # a full disk, above all
        raise Refused(f"nothing was imported: {node.home.staging}: {error}") from error
    except OSError as error:
        raise Refused(f"nothing was imported: {error.strerror or error}") from error
    finally:
        _one_at_a_time.release()
    yield done  # whoever has the answer may begin the next import at once


def sweep(node: Node) -> None:
    """Remove what an import of this node left that was killed. To be called while none is under way: at start."""
    for folder in node.home.staging.glob("import-*"):
        shutil.rmtree(folder, ignore_errors=True)
    for begun in maps.unfinished(node.reader()):
        record = audit.get(node.reader(), begun.load)
        if record is None or f"-{node.name}-" in record.id:
            what = f"give up the import into map {begun.map} that was cut short"
            with suppress(Refused):  # a full disk: the next start or import tries again
                node.submit([node.entry(SWEEPER, what, kind="imp", step="abort", map=begun.map, load=begun.load)])


def _run(
    node: Node, by: By, request: MapImport, file: BinaryIO, folder: Path
) -> Generator[Progress, None, Done]:
    state = _state(node, request)
    source, report = _open(request, file, folder)
    with closing(Staging(folder / "rows.db", node.home.config_db)) as staging:
        yield from _read(source, EntryRules(node.objects(), request.map), staging, report)
        found = _compare(staging, state.load, request.mode, report)
        if request.dry_run:
            _illustrate(staging, state.load, found, report)
        _refuse_errors(request, report)
        if request.dry_run:
            return Done(msgspec.to_builtins(report))
        if not (report.new or report.moved or report.gone):
            return Done(msgspec.to_builtins(report), "every entry is so already: nothing was changed")
        yield from _write(node, by, request, report, state, staging)
    report.applied = True
    notes = [node.publish()]
    if request.end_sessions:
        notes.append(mapsessions.end_moved(node, request.map, state.load))
    return Done(msgspec.to_builtins(report), "; ".join(filter(None, notes)))


# --- before reading ------------------------------------------------------------------------------------------------


def _state(node: Node, request: MapImport) -> MapState:
    """Of the map, which must be one that can be imported into, in this mode."""
    mapstate.own_entries(node.objects(), request.map)
    if request.format and request.format not in FORMATS:
        raise Refused(f"there is no format {request.format}; there are {', '.join(FORMATS)}", 2)
    state = mapstate.state_of(node, request.map)
    if state.entries and not request.mode:
        raise Refused(f"map {request.map} has {configured.counted(state.entries)}: say --replace or --merge", 2)
    return state


def _open(request: MapImport, file: BinaryIO, folder: Path) -> tuple[Source, Report]:
    """The file as its reader wants it. What has no size of its own (a pipe) is copied first. Raises Unreadable."""
    if not file.seekable():
        file = _copied(file, folder / "input")
    file.seek(0)
    head = file.read(HEAD)
    name, reason = (request.format, "it was said so") if request.format else detect(head)
    if FORMATS[name].needs_path:
        file.seek(0)
        file = _copied(file, folder / "input.db")
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return Source(file, size, folder / "input.db", request.table), Report(request.map, name, reason)


def _copied(file: BinaryIO, path: Path) -> BinaryIO:
    with path.open("xb") as copy:
        shutil.copyfileobj(file, copy, 1 << 20)
    return path.open("rb")


@contextmanager
def _folder(staging: Path) -> Iterator[Path]:
    staging.mkdir(mode=0o700, exist_ok=True)
    with TemporaryDirectory(prefix="import-", dir=staging, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


# --- reading and comparing -----------------------------------------------------------------------------------------


def _read(source: Source, rules: EntryRules, staging: Staging, report: Report) -> Iterator[Progress]:
    for batch in FORMATS[report.format].read(source, COLUMNS):
        wrong = batch.wrong
        report.read += len(batch.rows) + len(wrong)
        report.first += [[line, a[:SHOWN], b[:SHOWN]] for line, a, b in batch.rows[: FIRST - len(report.first)]]
        staging.add(rules.judge(batch.rows, wrong))
        report.add_errors(wrong if len(report.errors) < KEPT else [], len(wrong))
        yield Progress("reading", batch.done, source.size)
    yield Progress("comparing", 0, 0)


def _compare(staging: Staging, load: int, mode: str, report: Report) -> Difference:
    if not report.read:  # a failed program's empty output must not empty a map
        raise Unreadable("it has no entries")
    count, conflicts = staging.seal(KEPT)
    report.add_errors([Wrong(at.line, str(at)) for at in conflicts], count)
    found = staging.compare(load)
    report.new, report.moved, report.same = found.new, found.moved, found.same
    report.absent, report.gone = found.gone, found.gone if mode == "replace" else 0
    report.duplicates = report.read - report.errors_total - found.rows
    return found


def _illustrate(staging: Staging, load: int, found: Difference, report: Report) -> None:
    """Names for the numbers."""
    examples = staging.examples(load, found, EXAMPLES)
    report.moves = [list(move) for move in examples.moves]
    new, moved, gone = ([list(row) for row in rows] for rows in examples[:3])
    report.examples = {"new": new, "moved": moved, "gone": gone}


def _refuse_errors(request: MapImport, report: Report) -> None:
    count = report.errors_total
    if not count or (request.skip_errors and count < report.read):
        return
    first = report.errors[0]
    lines = f"{count:,} line{' is' if count == 1 else 's are'} wrong" if count < report.read else "no line is right"
    text = f"{request.file}: nothing was imported, {lines}; line {first.line:,}: {first.text}"
    raise Refused(text, value=msgspec.to_builtins(report))


# --- writing -------------------------------------------------------------------------------------------------------


def _write(
    node: Node, by: By, request: MapImport, report: Report, state: MapState, staging: Staging
) -> Iterator[Progress]:
    """Merging starts from a copy of the entries in force, so only what differs is written."""
    mode = request.mode or "replace"
    rows, total = staging.rows(), report.new + report.moved + report.same
    if mode == "merge":
        rows, total = staging.changes(state.load), report.new + report.moved
    what = f"import {request.file} into map {request.map}"
    begun = node.entry(by, f"begin to {what}", kind="imp", step="begin", map=request.map, mode=mode, base_rev=state.rev)
    load = _done(node, [begun])
    try:
        count = 0
        while batch := list(islice(rows, BATCH * MAX_ROWS)):
            chunks = [batch[at : at + MAX_ROWS] for at in range(0, len(batch), MAX_ROWS)]
            fields = {"kind": "rows", "map": request.map, "load": load}
            _done(node, [node.entry(by, what, **fields, chunk=count + at, rows=rows) for at, rows in enumerate(chunks)])
            count += len(chunks)
            yield Progress("writing", min(count * MAX_ROWS, total), total)
        _refuse_removed(staging.backends() - set(node.objects().names("backend")))
        text = f"{what}: {report.new:,} new, {report.moved:,} moved, {report.gone:,} gone"
        _done(node, [node.entry(by, text, kind="imp", step="commit", map=request.map, load=load, of=count)])
    except BaseException:  # also when the client goes away
        with suppress(Refused):
            node.submit([node.entry(by, f"give up to {what}", kind="imp", step="abort", map=request.map, load=load)])
        raise


def _refuse_removed(backends: set[str]) -> None:
    """Reading a large file takes seconds, in which somebody may remove what it names."""
    if backends:
        raise Refused(f"nothing was imported: back-end {', '.join(sorted(backends))} was removed meanwhile")


def _done(node: Node, entries: list[Entry]) -> int:
    """Submit them; the revision of the last. Raises Refused at a conflict."""
    verdicts = node.submit(entries)
    for verdict in verdicts:
        if not verdict.done:
            raise Refused(f"nothing was imported: {verdict.conflict}", value={"conflict": verdict.conflict})
    return verdicts[-1].revision


def go_back(node: Node, by: By, name: str, state: MapState) -> None:
    """Put the generation before in force again; the one in force until now can be gone back to. Raises Refused."""
    entry = node.entry(by, f"map undo {name}", kind="imp", step="undo", map=name, base_rev=state.rev)
    (verdict,) = node.submit([entry])
    if not verdict.done:
        raise Refused(f"not done: {verdict.conflict}", value={"conflict": verdict.conflict})
