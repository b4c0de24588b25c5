"""What every command is made of: asking the node, showing the answer, failing with one sentence.

A command module defines `NOUN_command` (a click command or group) for each noun that cli/__init__.py names with it.
It sends one typed request by `ask` and shows the value of the answer; it must never decide, and never open a
database. Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 not known yet. Standard output carries the
answer alone (with --json exactly one JSON document); remarks and progress go to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import click
import msgspec

from appliance.control.api import Done, Progress, Refused, Request
from appliance.home import Home

COUNT = click.IntRange(0, 2**63 - 1)  # what a request can carry, and a database compare with


class Invocation(msgspec.Struct, frozen=True):
    """What `--home` and `--json` said, wherever they stood on the line."""

    home: Home
    json: bool


class Failure(click.ClickException):
    """Ends the command: one sentence on standard error, and the exit status. `value` is what --json prints."""

    def __init__(self, text: str, status: int = 1, value: Any = None) -> None:
        super().__init__(text)
        self.exit_code = status  # type: ignore[misc]
        self.value = value
        self._json = invocation().json  # it is shown when the command's context is gone

    def show(self, file: Any = None) -> None:
        """Write the sentence; with --json the value too, on standard output."""
        if self.value is not None and self._json:
            show_json(self.value)
        for line in self.message.splitlines():
            click.echo(f"postern: {plain(line)}", err=True)


def invocation() -> Invocation:
    """Of the command being run."""
    found = click.get_current_context(silent=True)
    known = found.find_object(Invocation) if found else None
    return known or Invocation(Home.find(), False)


def ask(request: Request, file: BinaryIO | None = None, progress: bool = True) -> Done:
    """The node's answer; the same handler runs in this process when no node runs. Its note goes to standard error.

    `file` travels by descriptor. Raises Failure with the node's own sentence and status.
    """
    from appliance.control.client import Client

    try:
        with _progress_bar(progress) as show, Client.connect(invocation().home) as client:
            done = client.ask(request, file=file, progress=show)
    except Refused as refused:
        raise Failure(refused.text, refused.status, msgspec.to_builtins(refused.value)) from refused
    if done.note:
        click.echo(f"postern: {plain(done.note)}", err=True)
    # A node that runs answers in JSON, a handler in this process in its own types: here they become the same.
    return Done(msgspec.to_builtins(done.value), done.note)


def stream(request: Request) -> Iterator[Any]:
    """The values of the events that a running node sends, until it or the reader stops. Raises Failure."""
    from appliance.control.client import Client

    try:
        with Client.connect(invocation().home) as client:
            for event in client.stream(request):
                yield msgspec.to_builtins(event.value)
    except Refused as refused:
        raise Failure(refused.text, refused.status, refused.value) from refused


@contextmanager
def _progress_bar(wanted: bool) -> Iterator[Callable[[Progress], None]]:
    """Draws the Progress it is called with; on a terminal only, and only once there is some."""
    if not (wanted and sys.stderr.isatty()):
        yield lambda progress: None
        return
    from appliance.cli.progress import Bar

    with Bar() as bar:
        yield bar.show


# --- showing -----------------------------------------------------------------------------------------------------


def show(value: Any, text: Callable[[Any], None] | str) -> None:
    """With --json the value; else a sentence, or what `text` writes of the value."""
    if invocation().json:
        show_json(value)
    elif isinstance(text, str):
        click.echo(text)
    else:
        text(value)


def show_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def show_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str = "none") -> None:
    """Rows as an aligned table of these columns (a column's heading is its key); with --json the rows, all keys."""
    if invocation().json:
        show_json(rows)
    elif not rows:
        click.echo(empty)
    else:
        for line in table(rows, columns):
            click.echo(line)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    """The lines of a table: numbers to the right, all else to the left, two spaces between."""
    cells = [[plain(row.get(column)) for column in columns] for row in rows]
    right = [all(_is_number(row.get(column)) for row in rows) for column in columns]
    widths = [max(map(len, texts)) for texts in zip(columns, *cells, strict=True)]
    for line in [[column.upper() for column in columns], *cells]:
        padded = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ]
        yield "  ".join(padded).rstrip()


def show_fields(fields: Mapping[str, Any]) -> None:
    """One object as `key  value` lines; with --json the object."""
    if invocation().json:
        show_json(fields)
        return
    width = max(map(len, fields), default=0)
    for key, value in fields.items():
        click.echo(f"{key.ljust(width)}  {plain(value)}".rstrip())


def plain(value: Any) -> str:
    """One value as text that cannot disturb a terminal: what peers made up is escaped (CWE-150)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(key)}={plain(item)}" for key, item in value.items())
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


# --- passwords ---------------------------------------------------------------------------------------------------


def read_password(prompt: str = "Password") -> str:
    """From the prompt (twice) on a terminal, else the first line of standard input: never an argument (CWE-214)."""
    if sys.stdin.isatty():
        typed: str = click.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True)
        return typed
    line = sys.stdin.readline()
    if not line.rstrip("\r\n"):
        raise Failure("no password on standard input: type it at the prompt, or send it as the first line")
    return line.rstrip("\r\n")
