"""`postern audit`: who changed what, and taking it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from appliance.cli.base import COUNT, ask, plain, show, show_table
from appliance.control.api.audit import AuditList, AuditRevert, AuditShow


@click.group("audit")
def audit_command() -> None:
    """Who changed what, when, from what to what."""


@audit_command.command("list")
@click.option("--before", default=0, type=COUNT, metavar="ID", help="Those older than this one.")
@click.option("--limit", default=50, type=COUNT, show_default=True, help="At most so many.")
def audit_list(before: int, limit: int) -> None:
    """Changes, newest first.

    \b
    Example:
      postern audit list --limit 10
    """
    rows = ask(AuditList(before, limit)).value
    show_table(rows, ("id", "at", "by", "origin", "verdict", "what"), "no change")


@audit_command.command("show")
@click.argument("id")
def audit_show(id: str) -> None:  # noqa: A002 - the argument's name
    """One change: each value before and after. Secrets are stars.

    \b
    Example:
      postern audit show 42
    """
    show(ask(AuditShow(id)).value, _print)


@audit_command.command("revert")
@click.argument("id")
def audit_revert(id: str) -> None:  # noqa: A002 - the argument's name
    """Put back what change ID replaced; refused if a later change touched the same.

    \b
    Example:
      postern audit revert 42
    """
    done = ask(AuditRevert(id))
    show(done.value, f"change {id} is taken back, revision {done.value['revision']}")


def _print(value: Mapping[str, Any]) -> None:
    click.echo(f"{value['id']}  {value['at']}  {plain(value['by'])} ({plain(value['origin'])})  {value['verdict']}")
    click.echo(plain(value["what"]))
    if value["conflict"]:
        click.echo(f"not done: {plain(value['conflict'])}")
    for change in value["changes"]:
        click.echo(f"{change['table']} {plain(list(change['key'].values()))}")
        for key in change["keys"]:
            click.echo(f"    {key['key']}: {_told(key['old'])} -> {_told(key['new'])}")


def _told(value: Any) -> str:
    return "(none)" if value is None else plain(value) or '""'
