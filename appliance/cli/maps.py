"""`postern map`: user maps, which say which back-end holds which address."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Final, Literal

import click
import msgspec

from appliance.cli.base import Failure, ask, invocation, plain, show, show_json, show_table, stream
from appliance.cli.mapfile import entries, opened, show_report
from appliance.cli.settings import show_settings, values_of
from appliance.control.api.maps import (
    MapCreate,
    MapDelete,
    MapEntries,
    MapExport,
    MapGet,
    MapImport,
    MapList,
    MapPut,
    MapRemove,
    MapSet,
    MapShow,
    MapUndo,
)

MAP = click.argument("map_name", metavar="MAP")
ADDRESS = click.argument("address")
END_SESSIONS = click.option("--end-sessions", is_flag=True, help="End the sessions of users whose back-end changed.")


@click.group("map")
def map_command() -> None:
    """User maps: which back-end holds which address."""


@map_command.command("list")
def map_list() -> None:
    """All maps, how many entries they have, and the services that use them.

    \b
    Example:
      postern map list
    """
    show_table(ask(MapList()).value, ("name", "type", "entries", "used_by"), "no map")


@map_command.command("show")
@MAP
def map_show(map_name: str) -> None:
    """Settings of MAP, its entries per back-end, and what can be undone.

    \b
    Example:
      postern map show people
    """
    value = ask(MapShow(map_name)).value
    show_settings(value, f"{map_name}: {value['type']}, used by {plain(value['used_by']) or 'nobody'}  (* = set)")
    if invocation().json or value["entries"] is None:
        return
    counts = ", ".join(f"{plain(name)} {count:,}" for name, count in value["backends"].items())
    click.echo(f"{entries(value['entries'])}{': ' if counts else ''}{counts}")
    if undo := value["undo"]:
        until = _time(undo["until"])
        click.echo(f"`postern map undo {map_name}` goes back to {entries(undo['entries'])}, until {until}")


@map_command.command("create")
@MAP
@click.argument("values", nargs=-1, metavar="[KEY=VALUE...]")
def map_create(map_name: str, values: tuple[str, ...]) -> None:
    """Create a map; of type sqlite, its entries kept here, unless said otherwise.

    \b
    Example:
      postern map create people
    """
    done = ask(MapCreate(map_name, values_of("map", values) if values else {}))
    show(done.value, f"map {map_name} created, revision {done.value['revision']}")


@map_command.command("set")
@MAP
@click.argument("values", nargs=-1, metavar="KEY=VALUE...")
@click.option("--default", "defaults", multiple=True, metavar="KEY", help="Back to the default; may be repeated.")
def map_set(map_name: str, values: tuple[str, ...], defaults: tuple[str, ...]) -> None:
    """Set settings of MAP. Its type and fold stay as they are while it has entries.

    \b
    Example:
      postern map set people fold=none
    """
    given = values_of("map", values, defaults)
    done = ask(MapSet(map_name, given))
    show(done.value, f"map {map_name}: {', '.join(given)} set, revision {done.value['revision']}")


@map_command.command("delete")
@MAP
@click.option("--delete-data", is_flag=True, help="Also when it has entries.")
def map_delete(map_name: str, delete_data: bool) -> None:
    """Delete MAP, which no service may use. For 7 days `map undo` brings it back.

    \b
    Example:
      postern map delete people --delete-data
    """
    show(ask(MapDelete(map_name, delete_data)).value, f"map {map_name} deleted")


# --- all entries ---------------------------------------------------------------------------------------------------


@map_command.command("import")
@MAP
@click.argument("file")
@click.option("--format", "form", default="", metavar="F", help="csv, tsv, jsonl, sqlite; else told from the content.")
@click.option("--table", default="", metavar="T", help="The table of a SQLite file.")
@click.option("--replace", is_flag=True, help="Entries that are not in FILE go.")
@click.option("--merge", is_flag=True, help="Entries that are not in FILE stay.")
@click.option("--skip-errors", is_flag=True, help="Import what is right; otherwise any error blocks everything.")
@END_SESSIONS
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
def map_import(map_name: str, file: str, replace: bool, merge: bool, form: str, **more: Any) -> None:
    """Import FILE (- is standard input) into MAP: lines of address,backend, or @domain,backend.

    A first line whose first cell is "address" is a header; then columns may stand in any order. The change shows all at
    once when the import is complete; until then the entries before it serve. `map undo` goes back to them.

    \b
    Examples:
      postern map import people people.csv --dry-run
      postern map import people people.csv --replace
      postern map import people users.db --table mailbox --merge
    """
    if replace and merge:
        raise click.UsageError("--replace and --merge exclude each other")
    mode: Literal["", "replace", "merge"] = "replace" if replace else "merge" if merge else ""
    with opened(file) as (source, name):
        request = MapImport(map_name, name, format=form, mode=mode, **more)
        try:
            done = ask(request, source)
        except Failure as failure:
            if not invocation().json and failure.value and "errors" in failure.value:
                show_report(failure.value, name)
            raise
    show(done.value, partial(show_report, name=name))


@map_command.command("entries")
@MAP
@click.option("--filter", "text", default="", metavar="TEXT", help="Whose address or back-end contains this.")
@click.option("--backend", default="", help="On this back-end.")
@click.option("--after", default="", metavar="ADDRESS", help="From behind this one: the last of the page before.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="So many at most.")
def map_entries(map_name: str, text: str, backend: str, after: str, limit: int) -> None:
    """A page of the entries of MAP, by address.

    \b
    Example:
      postern map entries people --filter maria --backend mail2
    """
    value = ask(MapEntries(map_name, text, backend, after, limit)).value
    if invocation().json:
        show_json(value)
        return
    rows = [dict(zip(("address", "backend"), row, strict=True)) for row in value["entries"]]
    show_table(rows, ("address", "backend"), "no entry")
    if value["more"]:
        click.echo(f"postern: there are more: --after {plain(rows[-1]['address'])}", err=True)


Row = list[str]

LINES: Final[dict[str, Callable[[Row], str]]] = {
    "csv": lambda row: ",".join(f'"{cell}"' if "," in cell else cell for cell in row),
    "tsv": "\t".join,
    "jsonl": lambda row: msgspec.json.encode(dict(zip(("address", "backend"), row, strict=True))).decode(),
}


@map_command.command("export")
@MAP
@click.option("--format", "form", type=click.Choice(list(LINES)), default="csv", show_default=True)
def map_export(map_name: str, form: str) -> None:
    """Print all entries of MAP by address, as they were when the export began. `map import` reads what it prints.

    \b
    Example:
      postern map export people > people.csv
    """
    pages: Iterator[list[Row]] = stream(MapExport(map_name))
    if invocation().json:
        _stream_json(row for rows in pages for row in rows)
        return
    line, first = LINES[form], next(pages, [])  # a refusal comes before anything is printed
    if form != "jsonl":
        sys.stdout.write(line(["address", "backend"]) + "\n")
    for rows in chain([first], pages):
        sys.stdout.writelines(line(row) + "\n" for row in rows)


def _stream_json(rows: Iterator[Row]) -> None:
    """One JSON list, written as the rows come: a million of them need not be held."""
    begun = False
    for row in rows:
        sys.stdout.write(f"{',' if begun else '['}\n  {LINES['jsonl'](row)}")
        begun = True
    sys.stdout.write("\n]\n" if begun else "[]\n")


@map_command.command("undo")
@MAP
@END_SESSIONS
def map_undo(map_name: str, end_sessions: bool) -> None:
    """Back to the entries of MAP before the last import, or bring back a deleted map; within 7 days.

    Single entries changed since then go too. A second undo returns from the first.

    \b
    Example:
      postern map undo people
    """
    done = ask(MapUndo(map_name, end_sessions))
    until = done.value["until"]
    back = f"; undo again, until {_time(until)}, to return" if until else ""
    show(done.value, f"map {map_name} has the {entries(done.value['entries'])} from before{back}")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M %Z")


# --- single entries ------------------------------------------------------------------------------------------------


@map_command.command("get")
@MAP
@ADDRESS
def map_get(map_name: str, address: str) -> None:
    """Which back-end MAP names for ADDRESS, and by which entry; exit status 1 if by none.

    \b
    Example:
      postern map get people maria@example.test
    """
    value = ask(MapGet(map_name, address)).value
    entry = "" if value["match"] == "exact" else f"  (by the entry {plain(value['entry'])})"
    show(value, f"{plain(value['address'])}  {plain(value['backend'])}{entry}")


@map_command.command("put")
@MAP
@ADDRESS
@click.argument("backend")
@END_SESSIONS
def map_put(map_name: str, address: str, backend: str, end_sessions: bool) -> None:
    """Set one entry: ADDRESS (or @DOMAIN, for all that have no entry of their own) is on BACKEND.

    \b
    Example:
      postern map put people maria@example.test mail2
    """
    value = ask(MapPut(map_name, address, backend, end_sessions)).value
    before = f", before on {plain(value['before'])}" if value["before"] else ""
    show(value, f"{plain(value['address'])} is on {plain(value['backend'])}{before}")


@map_command.command("remove")
@MAP
@ADDRESS
@END_SESSIONS
def map_remove(map_name: str, address: str, end_sessions: bool) -> None:
    """Remove exactly the entry ADDRESS.

    \b
    Example:
      postern map remove people maria@example.test
    """
    value = ask(MapRemove(map_name, address, end_sessions)).value
    show(value, f"{plain(value['address'])} removed, it was on {plain(value['before'])}")
