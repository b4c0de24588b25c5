"""`postern backend`: the mail stores behind this node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from appliance.cli.base import Failure, ask, invocation, plain, show, show_table
from appliance.cli.settings import show_settings, values_of
from appliance.control.api.backends import (
    BackendAdd,
    BackendCheck,
    BackendDrain,
    BackendEnable,
    BackendFind,
    BackendList,
    BackendRemove,
    BackendSet,
    BackendShow,
)

PAIRS = click.argument("values", nargs=-1, metavar="KEY=VALUE...")


@click.group("backend")
def backend_command() -> None:
    """Back-ends: the mail stores behind this node."""


@backend_command.command("list")
def backend_list() -> None:
    """All back-ends; while the node runs with their health and open sessions.

    \b
    Example:
      postern backend list
    """
    columns = ("name", "imap", "pop3", "sieve", "smtp", "tls", "state", "health", "sessions", "reason")
    show_table(ask(BackendList()).value, columns, "no back-end")


@backend_command.command("show")
@click.argument("name")
def backend_show(name: str) -> None:
    """All settings of NAME, and who refers to it.

    \b
    Example:
      postern backend show mail1
    """
    value = ask(BackendShow(name)).value
    users = plain(value["used_by"]) or "nobody"
    show_settings(value, f"{name}: {value['state']}, {value['health']}; used by: {users}  (* = set)")


@backend_command.command("add")
@click.argument("name")
@PAIRS
def backend_add(name: str, values: tuple[str, ...]) -> None:
    """Add a back-end.

    \b
    Example:
      postern backend add mail2 imap=mail2.example.test:143 tls=starttls
    """
    done = ask(BackendAdd(name, values_of("backend", values)))
    show(done.value, f"back-end {name} added, revision {done.value['revision']}")


@backend_command.command("set")
@click.argument("name")
@PAIRS
@click.option("--default", "defaults", multiple=True, metavar="KEY", help="Back to the default; may be repeated.")
def backend_set(name: str, values: tuple[str, ...], defaults: tuple[str, ...]) -> None:
    """Set settings of NAME; of a setting that is a file, its path.

    \b
    Example:
      postern backend set mail2 login=master master_user=proxy master_password_file=/etc/postern/master
    """
    given = values_of("backend", values, defaults)
    done = ask(BackendSet(name, given))
    show(done.value, f"back-end {name}: {', '.join(given)} set, revision {done.value['revision']}")


@backend_command.command("remove")
@click.argument("name")
def backend_remove(name: str) -> None:
    """Remove NAME; refused while a map, a fail-over or a standby refers to it.

    \b
    Example:
      postern backend remove mail2
    """
    done = ask(BackendRemove(name))
    show(done.value, f"back-end {name} removed, revision {done.value['revision']}")


@backend_command.command("drain")
@click.argument("name")
def backend_drain(name: str) -> None:
    """No new sessions to NAME; those that are open go on.

    \b
    Example:
      postern backend drain mail2
    """
    done = ask(BackendDrain(name))
    show(done.value, f"back-end {name} takes no new sessions, revision {done.value['revision']}")


@backend_command.command("enable")
@click.argument("name")
def backend_enable(name: str) -> None:
    """New sessions to NAME again.

    \b
    Example:
      postern backend enable mail2
    """
    done = ask(BackendEnable(name))
    show(done.value, f"back-end {name} takes sessions, revision {done.value['revision']}")


@backend_command.command("check")
@click.argument("name", default="")
def backend_check(name: str) -> None:
    """Probe NAME, or all back-ends, step by step: connect, TLS, greeting, capabilities. Exit 1 if any step fails.

    \b
    Example:
      postern backend check mail1
    """
    try:
        rows = ask(BackendCheck(name)).value
    except Failure as failure:
        if isinstance(failure.value, list) and not invocation().json:
            _steps(failure.value)
        raise
    show(rows, _steps)


@backend_command.command("find")
def backend_find() -> None:
    """Mail stores on this machine, at the ports where they usually stand: what `backend add` could be given.

    \b
    Example:
      postern backend find
    """
    show_table(ask(BackendFind()).value, ("service", "address", "tls", "greeting"), "no store answers on this machine")


def _steps(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        click.echo(f"{row['backend']} {row['service']}: {'ok' if row['ok'] else 'failed'}")
        for step in row["steps"]:
            mark = "ok" if step["ok"] else "FAILED"
            click.echo(f"    {step['name']:<10}  {mark:<6}  {step['ms']:>7.1f} ms  {plain(step['result'])}")
