"""`postern cert`: TLS certificates by name (SNI)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from appliance.cli import files
from appliance.cli.base import Failure, ask, invocation, plain, show, show_table
from appliance.cli.trying import TRY, on_trial, outcome
from appliance.control.api.certificates import CertAdd, CertCheck, CertList, CertRemove

LONGEST = 256 * 1024  # octets of a file
FILE = click.Path(allow_dash=True, path_type=Path)


@click.group("cert")
def cert_command() -> None:
    """TLS certificates by name (SNI)."""


@cert_command.command("list")
def cert_list() -> None:
    """All certificates: names they are shown for, issuer, expiry. Until one is the default, `own` is.

    \b
    Example:
      postern cert list
    """
    show_table(ask(CertList()).value, ("names", "subject", "issuer", "until", "days", "key", "own"), "no certificate")


@cert_command.command("add")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--certificate", required=True, type=FILE, help="The certificate and its chain (PEM).")
@click.option("--key", required=True, type=FILE, help="Its private key (PEM, without a passphrase).")
@TRY
def cert_add(names: tuple[str, ...], certificate: Path, key: Path, seconds: float | None) -> None:
    """Show a certificate to clients that ask for one of these names; "*" is the default. Serves at once.

    \b
    Example:
      postern cert add mail.example.test --certificate fullchain.pem --key privkey.pem
    """
    request = CertAdd(list(names), _read(certificate), _read(key))
    done = outcome(ask(on_trial(request, seconds)), seconds)
    show(done.value, f"certificate for {', '.join(names)} in use, revision {done.value['revision']}")


@cert_command.command("check")
def cert_check() -> None:
    """Whether each certificate serves its names, its chain is in order, and how long it lasts. Exit 1 if not.

    \b
    Example:
      postern cert check
    """
    try:
        rows = ask(CertCheck()).value
    except Failure as failure:
        if isinstance(failure.value, list) and not invocation().json:
            _checked([row for row in failure.value if row["ok"]])
        raise
    show(rows, _checked)


@cert_command.command("remove")
@click.argument("name")
@TRY
def cert_remove(name: str, seconds: float | None) -> None:
    """Remove the certificate that serves NAME.

    \b
    Example:
      postern cert remove mail.example.test
    """
    done = outcome(ask(on_trial(CertRemove(name), seconds)), seconds)
    show(done.value, f"the certificate for {name} is removed, revision {done.value['revision']}")


def _checked(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        click.echo(f"{plain(row['names'])}: ok, {row['days']} days left")


def _read(path: Path) -> str:
    return str(path) if str(path).startswith(files.UPLOAD) else files.text_of(path, LONGEST)
