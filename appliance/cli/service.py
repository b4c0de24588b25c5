"""`postern service`: the services, and site, auth, metrics and limits, which are set the same way."""

from __future__ import annotations

import click

from appliance.cli.base import ask, show, show_table
from appliance.cli.settings import show_settings, values_of
from appliance.cli.trying import TRY, on_trial, outcome
from appliance.control.api.services import ServiceList, ServiceSet, ServiceShow


@click.group("service")
def service_command() -> None:
    """The services: imap, pop3, sieve, smtp, submission, webmail, console; and site, auth, metrics, limits."""


@service_command.command("list")
def service_list() -> None:
    """All services: where they are to listen on this node, and whether they do.

    \b
    Example:
      postern service list
    """
    columns = ("name", "enabled", "listen", "listen_tls", "map", "failover", "state", "reason")
    show_table(ask(ServiceList()).value, columns)


@service_command.command("show")
@click.argument("name")
def service_show(name: str) -> None:
    """All settings of NAME: values (those that were set with a star), units, defaults, help.

    \b
    Example:
      postern service show limits
    """
    value = ask(ServiceShow(name)).value
    show_settings(value, f"{name}  (* = set)")


@service_command.command("set")
@click.argument("name")
@click.argument("values", nargs=-1, metavar="KEY=VALUE...")
@click.option("--default", "defaults", multiple=True, metavar="KEY", help="Back to the default; may be repeated.")
@TRY
def service_set(name: str, values: tuple[str, ...], defaults: tuple[str, ...], seconds: float | None) -> None:
    """Set settings of NAME. Lists are written with commas. A setting that is a file: its path.

    \b
    Example:
      postern service set imap listen_tls=[::]:993,[::]:1993 failover=mail1
    """
    _set(name, values, defaults, seconds)


@service_command.command("enable")
@click.argument("name")
def service_enable(name: str) -> None:
    """Offer NAME: its addresses are opened at once.

    \b
    Example:
      postern service enable imap
    """
    _set(name, ("enabled=true",))


@service_command.command("disable")
@click.argument("name")
def service_disable(name: str) -> None:
    """Offer NAME no longer: no new connections; sessions that are open go on.

    \b
    Example:
      postern service disable webmail
    """
    _set(name, ("enabled=false",))


def _set(
    name: str, pairs: tuple[str, ...], defaults: tuple[str, ...] = (), seconds: float | None = None
) -> None:
    from db.catalogue import KINDS

    known = name in KINDS and KINDS[name].single  # else the node says which there are
    values = values_of(name, pairs, defaults) if known else {}
    done = outcome(ask(on_trial(ServiceSet(name, values), seconds)), seconds)
    show(done.value, f"{name}: {', '.join(values)} set, revision {done.value['revision']}")
