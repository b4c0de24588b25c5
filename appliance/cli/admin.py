"""`postern admin`: who may use the console. Passwords come from a prompt or standard input, never from arguments."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from appliance.cli import files
from appliance.cli.base import ask, invocation, plain, read_password, show, show_table
from appliance.control.api.admins import (
    AdminAdd,
    AdminKeyAdd,
    AdminKeyRemove,
    AdminList,
    AdminPassword,
    AdminRemove,
    AdminRole,
    AdminTotp,
)

LONGEST: Final = 64 * 1024  # octets of a key's file
NAME = click.argument("name")
ROLE = click.Choice(["owner", "operator", "viewer"])
FILE = click.Path(allow_dash=True, path_type=Path)
WHITE_ON_BLACK, AS_BEFORE = "\033[97;40m", "\033[0m"  # a QR code must be so, whatever the terminal's colours are


@click.group("admin")
def admin_command() -> None:
    """Administrators: who may use the console, and these commands over SSH.

    A viewer looks; an operator runs the node and changes its data; an owner changes anything, administrators too.
    """


@admin_command.command("list")
def admin_list() -> None:
    """All administrators, by name.

    \b
    Example:
      postern admin list
    """
    rows = ask(AdminList()).value
    if not invocation().json:
        rows = [{**row, "keys": [_key(key) for key in row["keys"]], "seen": _when(row["seen"])} for row in rows]
    show_table(rows, ("name", "role", "password", "totp", "seen", "keys"), "no administrator")


@admin_command.command("add")
@NAME
@click.option("--key", type=FILE, help="A public key (a file whose name ends in .pub), or - for standard input.")
@click.option("--role", type=ROLE, default="operator", show_default=True, help="What this one may do.")
def admin_add(name: str, key: Path | None, role: str) -> None:
    """Add an administrator, who comes in by this key, or by a password that is set afterwards.

    \b
    Example:
      postern admin add maria --key maria.pub --role owner
    """
    done = ask(AdminAdd(name, role, _read(key) if key else ""))
    later = "" if key else f"; `postern admin key add {name} FILE` or `postern admin password {name}` lets them in"
    show(done.value, f"administrator {name} added as {role}{later}")


@admin_command.command("role")
@NAME
@click.argument("role", type=ROLE)
def admin_role(name: str, role: str) -> None:
    """Give another role, at once, also in consoles that are open.

    \b
    Example:
      postern admin role maria viewer
    """
    show(ask(AdminRole(name, role)).value, f"{name} is {role} now")


@admin_command.group("key")
def admin_key() -> None:
    """Public keys that let an administrator in."""


@admin_key.command("add")
@NAME
@click.argument("file", type=FILE)
def admin_key_add(name: str, file: Path) -> None:
    """Add the public key in FILE, or - for standard input.

    \b
    Example:
      postern admin key add maria laptop.pub
    """
    done = ask(AdminKeyAdd(name, _read(file)))
    show(done.value, f"{name} may come in by {plain(done.value['fingerprint'])}")


@admin_key.command("remove")
@NAME
@click.argument("fingerprint")
def admin_key_remove(name: str, fingerprint: str) -> None:
    """Remove the key with this FINGERPRINT, as `postern admin list` shows it.

    \b
    Example:
      postern admin key remove maria SHA256:Xq9c...
    """
    show(ask(AdminKeyRemove(name, fingerprint)).value, f"{name} comes in by {fingerprint} no longer")


@admin_command.command("password")
@NAME
@click.option("--none", "none", is_flag=True, help="No password any more: only keys let in.")
def admin_password(name: str, none: bool) -> None:
    """Set a password, from the prompt or the first line of standard input; at least 8 characters.

    \b
    Example:
      postern admin password maria
    """
    done = ask(AdminPassword(name, "" if none else read_password("New password")))
    show(done.value, f"{name} has {'no' if none else 'a new'} password")


@admin_command.command("totp")
@NAME
@click.option("--off", is_flag=True, help="No codes any more.")
def admin_totp(name: str, off: bool) -> None:
    """Ask for one-time codes at each log-in: shows the new secret, once, to be read by an authenticator.

    \b
    Example:
      postern admin totp maria
    """
    done = ask(AdminTotp(name, off))
    show(done.value, f"{name} is asked for no code any more" if off else _show_secret)


@admin_command.command("remove")
@NAME
def admin_remove(name: str) -> None:
    """Remove an administrator; open consoles end.

    \b
    Example:
      postern admin remove maria
    """
    show(ask(AdminRemove(name)).value, f"administrator {name} removed")


def _show_secret(value: Mapping[str, Any]) -> None:
    import segno

    if sys.stdout.isatty():
        click.echo(WHITE_ON_BLACK, nl=False)
    segno.make(value["uri"], error="L").terminal(sys.stdout, border=2, compact=True)
    if sys.stdout.isatty():
        click.echo(AS_BEFORE, nl=False)
    click.echo(f"secret  {value['secret']}\nuri     {value['uri']}")


def _read(file: Path) -> str:
    return files.text_of(file, LONGEST)


def _key(key: Mapping[str, str]) -> str:
    return " ".join(filter(None, (key["fingerprint"], key["comment"])))


def _when(seen: float | None) -> str:
    return datetime.fromtimestamp(seen).astimezone().isoformat(" ", "minutes") if seen else ""
