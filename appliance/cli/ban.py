"""`postern ban`: addresses and accounts that are refused."""

from __future__ import annotations

import re
from typing import Final

import click

from appliance.cli.base import ask, show, show_table
from appliance.control.api.bans import BanAdd, BanLift, BanList

_PART: Final = re.compile(r"(\d{1,9})([smhdw]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@click.group("ban")
def ban_command() -> None:
    """Refused addresses and accounts, with expiry and reason."""


@ban_command.command("list")
def ban_list() -> None:
    """The bans that hold now.

    \b
    Example:
      postern ban list
    """
    show_table(ask(BanList()).value, ("scope", "subject", "until", "reason"), "no ban")


@ban_command.command("add")
@click.argument("subject", metavar="ADDRESS-OR-ACCOUNT")
@click.option("--for", "time", default="", metavar="TIME", help="How long, like 90s, 30m, 1h or 7d; else until lifted.")
@click.option("--reason", default="", help="Why, for whoever reads the list.")
def ban_add(subject: str, time: str, reason: str) -> None:
    """Refuse an IP address, a network or an account. Clients are told what a wrong password is told.

    \b
    Example:
      postern ban add 192.0.2.7 --for 1h --reason "guessing passwords"
    """
    value = ask(BanAdd(subject, seconds_of(time), reason)).value
    show(value, f"{value['scope']} {value['subject']} is refused {'until ' + value['until'] if time else 'for good'}")


@ban_command.command("lift")
@click.argument("subject", metavar="ADDRESS-OR-ACCOUNT")
def ban_lift(subject: str) -> None:
    """Lift a ban before its time.

    \b
    Example:
      postern ban lift 192.0.2.7
    """
    show(ask(BanLift(subject)).value, f"the ban of {subject} is lifted")


def seconds_of(text: str) -> float:
    """Of "90", "30m", "1h30m"; 0 for an empty text. Raises click.UsageError."""
    parts = _PART.findall(text)
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or (text and not seconds):
        raise click.UsageError(f"{text!r} is not a time like 90s, 30m, 1h or 7d")
    return float(seconds)
