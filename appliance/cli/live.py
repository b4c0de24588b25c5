"""`postern status`, `session`, `log`, `route`: what goes on now, and what would."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from appliance.cli.base import Failure, ask, invocation, plain, show, show_json, show_table, stream, table
from appliance.control.api.live import LogTail, Route, SessionKick, SessionList, SessionPage, Status

Rows = list[dict[str, Any]]


# --- status --------------------------------------------------------------------------------------------------------


@click.command("status")
def status_command() -> None:
    """The node at a glance: services, back-ends, sessions.

    \b
    Example:
      postern status --json
    """
    show(ask(Status()).value, _status)


def _status(value: Mapping[str, Any]) -> None:
    click.echo(f"node {value['node']}, Postern {value['version']}: {value['state']}, revision {value['revision']}")
    for title, rows in (("service", value["services"]), ("backend", value["backends"])):
        click.echo("")
        named = [{**row, title: row["name"]} for row in rows]
        for line in table(named, (title, "state", "sessions", "reason")) if rows else (f"no {title} is configured",):
            click.echo(line)
    click.echo(f"\nqueue: {value['queue']['messages']} messages; cluster: {value['cluster']['state']} node")


# --- session -------------------------------------------------------------------------------------------------------


@click.group("session")
def session_command() -> None:
    """Sessions that are open now, on all workers of this node."""


@session_command.command("list")
@click.option("--user", default="", metavar="ADDRESS", help="Of this mailbox.")
@click.option("--service", default="", help="Of this service.")
@click.option("--backend", default="", help="On this back-end.")
@click.option("--from", "client", default="", metavar="IP", help="From this client address.")
@click.option("--find", "text", default="", metavar="TEXT", help="Where one of these contains TEXT: the first 500.")
def session_list(user: str, service: str, backend: str, client: str, text: str) -> None:
    """Live sessions, oldest first; `in` is what the client sent, `out` what it was sent.

    \b
    Examples:
      postern session list --backend mail1
      postern session list --find maria
    """
    if text and (user or service or backend or client):
        raise click.UsageError("--find looks at all of these: give it alone")
    found = ask(SessionPage(text) if text else SessionList(user, service, backend, client)).value
    rows: Rows = found["sessions"] if text else found
    if invocation().json:
        show_json(rows)
        return
    now = time.time()
    for row in rows:
        row |= {"since": _age(now - row["since"]), "in": _size(row["in"]), "out": _size(row["out"])}
    show_table(rows, ("id", "user", "service", "from", "backend", "since", "in", "out"), "no session")


@session_command.command("kick")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--user", default="", metavar="ADDRESS", help="All of this mailbox.")
@click.option("--service", default="", help="All of this service.")
@click.option("--backend", default="", help="All on this back-end.")
@click.option("--from", "client", default="", metavar="IP", help="All from this client address.")
def session_kick(ids: tuple[str, ...], user: str, service: str, backend: str, client: str) -> None:
    """End sessions, each with its protocol's farewell. Several filters: those that match all of them.

    \b
    Examples:
      postern session kick 1f3a-2
      postern session kick --user maria@example.test
    """
    value = ask(SessionKick(ids, user, service, backend, client)).value
    show(value, f"{value['kicked']} session{'s' * (value['kicked'] != 1)} ended")


def _age(seconds: float) -> str:
    """In the two largest units."""
    whole = max(int(seconds), 0)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // part:02}{smaller}"
    return f"{whole}s"


def _size(octets: int) -> str:
    """As people read it, four characters or so."""
    amount = float(octets)
    for unit in ("", "K", "M", "G"):
        if amount < 1000:
            return f"{amount:.0f}{unit}" if not unit or amount >= 10 else f"{amount:.1f}{unit}"
        amount /= 1024
    return f"{amount:.1f}T"


# --- log -----------------------------------------------------------------------------------------------------------


@click.group("log")
def log_command() -> None:
    """Log-ins and how they ended."""


@log_command.command("tail")
@click.option("--user", default="", metavar="ADDRESS", help="Of this mailbox.")
@click.option("--service", default="", help="At this service.")
@click.option("--outcome", default="", help="ok, refused, or one refusal, like bad-credentials.")
@click.option("-n", "last", default=20, show_default=True, type=click.IntRange(0, 100_000), help="So many of the past.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Go on as they happen.")
def log_tail(user: str, service: str, outcome: str, last: int, follow: bool) -> None:
    """The latest log-ins, then new ones as they end; with --json one document a line.

    \b
    Example:
      postern log tail --outcome refused -n 50 --no-follow
    """
    try:
        for event in stream(LogTail(user, service, outcome, last, follow)):
            click.echo(_compact(event) if invocation().json else _outcome(event))
    except (KeyboardInterrupt, BrokenPipeError):
        return


def _compact(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


def _outcome(one: Mapping[str, Any]) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["at"]))
    ended = one["refusal"] or f"ok -> {one['backend']}" + (f" ({one['source']})" if one["source"] else "")
    took = f"{one['ms'][-1]:.0f} ms" if one["ms"] else ""
    who = (f"{one['service']:<5}", f"{plain(one['user']):<30}", f"{plain(one['client']):<21}")
    return "  ".join(plain(part) for part in (when, *who, ended, one["why"], took) if part)


# --- route ---------------------------------------------------------------------------------------------------------


@click.command("route")
@click.argument("address")
@click.option("--service", default="imap", show_default=True, help="At this service.")
@click.option("--from", "client", default="", metavar="IP", help="From this client address.")
@click.option("--down", default="", metavar="BACKEND", help="As if this back-end were down.")
def route_command(address: str, service: str, client: str, down: str) -> None:
    """Explain what would happen if ADDRESS logged in now.

    Each step with its source and age, and what the client is told. Exit status 1 unless there is a route.

    \b
    Example:
      postern route maria@example.test --from 192.0.2.7
    """
    value = ask(Route(address, service, client, down)).value
    show(value, _route)
    if value["verdict"] not in ("route", "relay"):
        raise Failure(f"{plain(value['address'])}: {value['verdict']}, {value['steps'][-1]['result']}")


def _route(value: Mapping[str, Any]) -> None:
    steps = [{**step, "age": _age(step["age"]) if step["age"] is not None else ""} for step in value["steps"]]
    for line in table(steps, ("name", "result", "source", "age", "ms")):
        click.echo(line)
    where = f" to {value['backend']} ({value['host']} port {value['port']})" if value["host"] else ""
    click.echo(f"\n{plain(value['address'])}: {value['verdict']}{where}")
    if value["told"]:
        click.echo(f"the client is told: {plain(value['told'])}")
