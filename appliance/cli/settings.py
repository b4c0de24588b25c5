"""KEY=VALUE on a command line, for services, back-ends and maps: parsed by the catalogue, files read here.

A file is named on the command line and read by whoever types it; its content is sent. A password is never an
argument: its file is.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import click

from appliance.cli.base import Failure, invocation, plain, show_json, table


def values_of(kind: str, pairs: Sequence[str], defaults: Sequence[str] = ()) -> dict[str, Any]:
    """The settings to send: parsed values and contents of files; None for those that go back to the default.

    Raises click.UsageError for a word that is not KEY=VALUE, Failure for a value that cannot be one.
    """
    from db import catalogue

    values: dict[str, Any] = dict.fromkeys(defaults)
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{pair!r} is not KEY=VALUE")
        try:
            value = catalogue.parse_value(kind, key, text)
        except ValueError as error:
            raise Failure(str(error)) from error
        setting = catalogue.KINDS[kind].written(key)
        if setting is not None and setting.file and value not in ("", catalogue.KEPT):
            value = _content(value)
            value = value.rstrip("\r\n") if setting.secret else value
        values[key] = value
    if not values:
        raise click.UsageError("nothing to set: give at least one KEY=VALUE")
    return values


def show_settings(value: Mapping[str, Any], title: str) -> None:
    """All settings of one object; with --json the value."""
    if invocation().json:
        show_json(value)
        return
    click.echo(title)
    rows = value["settings"]
    told = [{**row, "value": _told(row["value"], row["set"]), "default": _told(row["default"])} for row in rows]
    lines = table(told, ("name", "value", "unit", "default"))
    click.echo(next(lines))
    for line, row in zip(lines, rows, strict=True):
        click.echo(line)
        click.echo(textwrap.fill(row["help"], 100, initial_indent="    ", subsequent_indent="    "))


def _told(value: Any, was_set: bool = False) -> str:
    return (plain(value) or "-") + (" *" if was_set else "")


def _content(path: str) -> str:
    from appliance.cli import files
    from appliance.control.tomlfile import content

    try:
        return files.named(path, content)
    except ValueError as error:
        raise Failure(str(error)) from error
