"""`postern overview` and `postern find`: the console's first screen as text, and people by a part of their address."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from appliance.cli.base import Failure, ask, plain, show, show_table, table
from appliance.control.api.watch import Find, Overview

Rows = Sequence[Mapping[str, Any]]

BARS: Final = "▁▂▃▄▅▆▇█"
SERVICES: Final = {
    "service": "name", "state": "state", "sessions": "sessions", "log-ins/min": "per_minute", "last 5 min": "log_ins",
    "failed": "failed", "slowest": "slowest_ms", "reason": "reason",
}  # fmt: skip
STORES: Final = {
    "back-end": "name", "state": "state", "since": "since", "sessions": "sessions", "users": "users",
    "answers in": "answers_ms", "reason": "reason",
}  # fmt: skip


@click.command("overview")
def overview_command() -> None:
    """Does mail flow? Services, back-ends, and what needs somebody.

    log-ins/min are those of the last twelve minutes; `slowest`: of the last five minutes, 95 of 100 were quicker.

    \b
    Example:
      postern overview --json
    """
    show(ask(Overview()).value, _overview)


def _overview(value: Mapping[str, Any]) -> None:
    seen, alerts = value["overview"], value["alerts"]
    click.echo(f"node {seen['node']}, Postern {seen['version']}: {seen['state']}, revision {seen['revision']}")
    services = [row for row in seen["services"] if row["state"] != "unavailable"]
    for rows, columns, empty in ((services, SERVICES, "service"), (seen["backends"], STORES, "back-end")):
        click.echo("")
        shown = [{title: _cell(key, row[key]) for title, key in columns.items()} for row in rows]
        for line in table(shown, list(columns)) if shown else (f"no {empty} is configured",):
            click.echo(line)
    click.echo("")
    for line in _needs(alerts):
        click.echo(line)


def _needs(alerts: Rows) -> Iterator[str]:
    if not alerts:
        yield "nothing needs you"
        return
    yield "needs you"
    for alert in alerts:
        yield f"  {alert['level']:<7}  since {_when(alert['since'])}  {plain(alert['text'])}"


def _cell(key: str, value: Any) -> Any:
    match key:
        case "per_minute":
            most = max(value, default=0) or 1
            return "".join(BARS[-(-count * (len(BARS) - 1) // most)] for count in value)
        case "slowest_ms" | "answers_ms":
            return "" if value is None else f"{value} ms"
        case "since":
            return "" if value is None else _when(value)
    return value


def _when(moment: float) -> str:
    then, now = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%Y-%m-%d %H:%M", then)


@click.command("find")
@click.argument("text")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500), help="So many people at most.")
def find_command(text: str, limit: int) -> None:
    """People whose address begins with TEXT, then those whose address contains it: of sqlite maps and accounts.

    \b
    Example:
      postern find maria
    """
    rows: Rows = ask(Find(text, limit)).value
    if not rows:
        raise Failure(f"nobody has {plain(text)} in their address", value=[])
    show_table(rows, ("address", "map", "backend", "account"))
