"""`postern config`: the configuration as one TOML file, exported, checked, compared, applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from appliance.cli import files
from appliance.cli.base import Failure, ask, invocation, plain, show, show_json
from appliance.cli.trying import TRY, on_trial, outcome
from appliance.control.api import Request
from appliance.control.api.config import ConfigApply, ConfigDiff, ConfigExport, Item
from appliance.control.api.trial import GiveUp, Keep

if TYPE_CHECKING:
    from appliance.control.tomlfile import Fault, Reading

FILE = click.Path(allow_dash=True, path_type=Path)
MARKS = {"add": "+", "set": "~", "remove": "-"}

Differences = list[dict[str, Any]]


@click.group("config")
def config_command() -> None:
    """The configuration as one TOML file: all of it, and nothing that is data (map entries, accounts, bans)."""


@config_command.command("export")
def config_export() -> None:
    """Print the configuration as TOML; contents of files as "<kept>". Applying the output changes nothing.

    \b
    Example:
      postern config export > postern.toml
    """
    from appliance.control import tomlfile, tomlwrite

    items = [Item(**item) for item in ask(ConfigExport()).value["objects"]]
    document = tomlfile.document_of(items)
    show(document, lambda value: click.echo(tomlwrite.text_of(value), nl=False))


@config_command.command("check")
@click.argument("file", type=FILE)
def config_check(file: Path) -> None:
    """Say everything that is wrong with FILE, by line. Needs no node.

    \b
    Example:
      postern config check postern.toml
    """
    reading = _load(file)
    show({"file": str(file), "problems": []}, f"{file}: right, {_count(len(reading.objects), 'object')}")


@config_command.command("diff")
@click.argument("file", type=FILE)
@click.option("--exit-code", is_flag=True, help="Exit 1 if there are differences.")
def config_diff(file: Path, exit_code: bool) -> None:
    """Show what applying FILE would change. Secrets are stars.

    \b
    Example:
      postern config diff postern.toml --exit-code
    """
    reading = _load(file)
    found: Differences = _ask(file, reading, ConfigDiff(reading.items()))["differences"]
    _show(found, f"{file}: no differences")
    if found and exit_code:
        raise SystemExit(1)


@config_command.command("apply")
@click.argument("file", type=FILE)
@click.option("--dry-run", is_flag=True, help="Show the differences and change nothing.")
@click.option("--delete-data", is_flag=True, help="Also remove maps that have entries (undone within 7 days).")
@TRY
def config_apply(file: Path, dry_run: bool, delete_data: bool, seconds: float | None) -> None:
    """Make the configuration equal to FILE, all or nothing. What is not in FILE is removed.

    \b
    Example:
      postern config apply postern.toml --dry-run
    """
    reading = _load(file)
    found: Differences = _ask(file, reading, ConfigDiff(reading.items()))["differences"]
    if not invocation().json:
        _show(found, f"{file}: no differences, nothing to do")
    if found and not dry_run:
        _ask(file, reading, ConfigApply(reading.items(), delete_data), seconds)
    if invocation().json:
        show_json({"differences": found, "applied": bool(found) and not dry_run})
    elif found:
        click.echo("nothing was applied (dry run)" if dry_run else f"applied: {_count(len(found), 'object')} changed")


@config_command.command("keep")
@click.argument("id", default="")
def config_keep(id: str) -> None:  # noqa: A002 - the argument's name
    """Keep the change that was made with --try (that of this ID, if one is given).

    \b
    Example:
      postern config keep
    """
    show(ask(Keep(id)).value, "the change stays")


@config_command.command("give-up")
def config_give_up() -> None:
    """Take back the change that was made with --try, now.

    \b
    Example:
      postern config give-up
    """
    show(ask(GiveUp()).value, "the change is taken back")


def _load(file: Path) -> Reading:
    """What FILE says. Ends the command with every fault in it."""
    from appliance.control import tomlfile

    try:
        if files.is_plain(file):
            reading = tomlfile.load(files.of_this_machine(file))
        else:
            text = files.text_of(file, tomlfile.LONGEST)
            reading = tomlfile.read(text, lambda name: files.named(name, tomlfile.content))
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror or error}") from error
    if reading.faults:
        _fail(file, reading.faults)
    return reading


def _ask(file: Path, reading: Reading, request: Request, seconds: float | None = None) -> dict[str, Any]:
    """The node's answer; problems that only it can see are told with their lines, too."""
    from db.catalogue import Problem

    try:
        value: dict[str, Any] = outcome(ask(on_trial(request, seconds)), seconds).value
    except Failure as failure:
        problems = failure.value.get("problems") if isinstance(failure.value, dict) else None
        if not problems or not all(isinstance(problem, dict) for problem in problems):
            raise
        faults = [reading.fault(Problem(**problem)) for problem in problems]
        _fail(file, sorted(faults, key=lambda fault: fault.line))
    return value


def _fail(file: Path, faults: Iterable[Fault]) -> NoReturn:
    rows, lines = [], []
    for fault in faults:
        rows.append({"file": str(file), "line": fault.line, "key": fault.key, "text": fault.text})
        lines.append(": ".join(filter(None, (f"{file}:{fault.line}", fault.key, fault.text))))
    raise Failure("\n".join(lines), value={"file": str(file), "problems": rows})


def _show(found: Differences, none: str) -> None:
    show({"differences": found}, _print if found else none)


def _print(value: Mapping[str, Any]) -> None:
    for row in value["differences"]:
        name = " ".join(filter(None, (row["kind"], plain(row["name"]))))
        lost = f" ({_count(row['entries'], 'entry', 'entries')})" if row["entries"] else ""
        click.echo(f"{MARKS[row['change']]} {name}{lost}")
        for key in row["keys"] if row["change"] != "remove" else ():
            before = f"{_value(key['old'])} -> " if row["change"] == "set" else ""
            click.echo(f"    {key['key']}: {before}{_value(key['new'])}")


def _value(value: Any) -> str:
    return "(default)" if value is None else plain(value) or '""'


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
