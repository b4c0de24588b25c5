"""`postern upload`: files that administrators sent by scp or SFTP."""

from __future__ import annotations

from datetime import datetime

import click

from appliance.cli.base import ask, invocation, plain, show, show_table
from appliance.control.api.uploads import ConsoleUploaded, ConsoleUploads


@click.group("upload")
def upload_command() -> None:
    """Files sent by `scp -P 2222 FILE NAME@NODE:`; commands take them as upload:FILE. They are kept for 7 days."""


@upload_command.command("list")
def upload_list() -> None:
    """All of them, newest first.

    \b
    Example:
      postern upload list
    """
    rows = ask(ConsoleUploads()).value
    if not invocation().json:
        rows = [{**row, "at": f"{datetime.fromtimestamp(row['at']).astimezone():%Y-%m-%d %H:%M}"} for row in rows]
    show_table(rows, ("name", "size", "by", "at"), "no upload")


@upload_command.command("remove")
@click.argument("name")
def upload_remove(name: str) -> None:
    """Delete one.

    \b
    Example:
      postern upload remove people.csv
    """
    done = ask(ConsoleUploaded(name.removeprefix("upload:"), remove=True))
    show(done.value, f"{plain(done.value['name'])} is deleted")
