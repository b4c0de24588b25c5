"""The file that `postern map import` sends, and what it shows of the answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

import click

from appliance.cli.base import Failure, plain
from appliance.cli.files import is_plain, of_this_machine

SHOWN: Final = 20  # error lines; --json has more
COUNTS: Final = {
    "new": "new",
    "moved": "on another back-end than before",
    "gone": "gone",
    "same": "as before",
    "duplicates": "said twice, the same",
    "errors_total": "wrong",
}


@contextmanager
def opened(file: str) -> Iterator[tuple[BinaryIO | None, str]]:
    """A file, or standard input for "-", and what it is called; no file for an upload. Raises Failure."""
    if file == "-":
        yield sys.stdin.buffer, "standard input"
        return
    if not is_plain(file):  # the node has it
        yield None, file
        return
    path = of_this_machine(file)
    journal = path.with_name(path.name + "-wal")  # SQLite's: what was written to the file, but is not in it yet
    if journal.exists() and journal.stat().st_size:
        raise Failure(f"{file} is being written to: make a copy by `sqlite3 {file} '.backup COPY'`, and import that")
    try:
        with path.open("rb") as source:
            yield source, path.name
    except OSError as error:
        raise Failure(f"{file}: {error.strerror or error}") from error


def entries(count: int) -> str:
    """So many."""
    return f"{count:,} entr{'y' if count == 1 else 'ies'}"


def show_report(report: Mapping[str, Any], name: str) -> None:
    """What an import found and did."""
    click.echo(f"{name}: {report['format']} ({report['reason']}), {entries(report['read'])} read")
    width = max(len(f"{report[key]:,}") for key in COUNTS)
    for key, meaning in COUNTS.items():
        click.echo(f"  {report[key]:>{width},}  {meaning}")
    for error in report["errors"][:SHOWN]:
        click.echo(f"line {error['line']:,}: {plain(error['text'])}")
    if report["errors_total"] > SHOWN:
        click.echo(f"and {report['errors_total'] - SHOWN:,} more; --json names the first {len(report['errors']):,}")
    if report["applied"]:
        undo = f"`postern map undo {report['map']}`"
        click.echo(f"imported into map {report['map']}; {undo} goes back to the entries before, for 7 days")
    else:
        click.echo("nothing was changed")
