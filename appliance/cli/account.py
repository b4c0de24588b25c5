"""`postern account`: internal accounts. Passwords come from a prompt or standard input, never from arguments."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import click

from appliance.cli import files
from appliance.cli.base import COUNT, Failure, ask, invocation, plain, read_password, show, show_table
from appliance.control.api.accounts import (
    AccountAdd,
    AccountDisable,
    AccountEnable,
    AccountImport,
    AccountList,
    AccountPassword,
    AccountRemove,
)

ADDRESS = click.argument("address")


@click.group("account")
def account_command() -> None:
    """Internal accounts: who may log in, where `[auth] method = "internal"`."""


@account_command.command("list")
@click.argument("prefix", default="")
@click.option("--after", default="", metavar="ADDRESS", help="Those behind this address.")
@click.option("--limit", default=1000, type=COUNT, show_default=True, help="At most so many.")
def account_list(prefix: str, after: str, limit: int) -> None:
    """Accounts by address, those that begin with PREFIX.

    \b
    Example:
      postern account list maria
    """
    show_table(ask(AccountList(prefix, after, limit)).value, ("address", "state", "scheme"), "no account")


@account_command.command("add")
@ADDRESS
def account_add(address: str) -> None:
    """Add an account; its password from the prompt, or the first line of standard input.

    \b
    Example:
      postern account add maria@example.test < password-file
    """
    done = ask(AccountAdd(address, read_password()))
    show(done.value, f"account {plain(done.value['address'])} added")


@account_command.command("password")
@ADDRESS
def account_password(address: str) -> None:
    """Set another password; the old one ends at once.

    \b
    Example:
      postern account password maria@example.test
    """
    done = ask(AccountPassword(address, read_password("New password")))
    show(done.value, f"account {plain(done.value['address'])} has its new password")


@account_command.command("disable")
@ADDRESS
def account_disable(address: str) -> None:
    """No more log-ins; open sessions end.

    \b
    Example:
      postern account disable maria@example.test
    """
    done = ask(AccountDisable(address))
    show(done.value, f"account {plain(done.value['address'])} is off; sessions ended: {done.value['ended']}")


@account_command.command("enable")
@ADDRESS
def account_enable(address: str) -> None:
    """Log-ins again.

    \b
    Example:
      postern account enable maria@example.test
    """
    done = ask(AccountEnable(address))
    show(done.value, f"account {plain(done.value['address'])} is on")


@account_command.command("remove")
@ADDRESS
def account_remove(address: str) -> None:
    """Remove an account; open sessions end.

    \b
    Example:
      postern account remove maria@example.test
    """
    done = ask(AccountRemove(address))
    show(done.value, f"account removed; sessions ended: {done.value['ended']}")


@account_command.command("import")
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path))
def account_import(file: Path) -> None:
    """Import CSV `address,password-or-hash` from FILE (upload:NAME: one that was sent by scp), or - for standard input.

    Any wrong line blocks all.

    \b
    Example:
      postern account import accounts.csv
    """
    with _opened(file) as source:
        try:
            value = ask(AccountImport(str(file) if source is None else ""), file=source).value
        except Failure as failure:
            if isinstance(failure.value, dict) and not invocation().json:
                for wrong in failure.value.get("errors", []):
                    click.echo(f"line {wrong['line']}: {plain(wrong['text'])}", err=True)
            raise
    show(value, f"{value['read']:,} read: {value['new']:,} new, {value['changed']:,} changed, {value['same']:,} same")


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO | None]:
    """The file; of standard input a copy, which has an end that the node can see; none for an upload."""
    if str(file).startswith(files.UPLOAD):
        yield None
        return
    with _source(file) as source:
        yield source


def _source(file: Path) -> BinaryIO:
    try:
        if files.is_plain(file):
            return files.of_this_machine(file).open("rb")
        copy = TemporaryFile()  # noqa: SIM115 - the caller closes it
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.seek(0)
        return copy
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror or error}") from error
