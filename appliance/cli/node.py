"""`postern init`, `run`, `backup`, `restore`: the node as a whole."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import click

from appliance.cli import files
from appliance.cli.base import Failure, ask, invocation, show, show_table
from appliance.control.api import Done, Refused
from appliance.control.api.archive import Backup, Restore
from appliance.home import Home


@click.command("init")
@click.option("--node", "name", default="", metavar="NAME", help="The node's name; default: the host's short name.")
def init_command(name: str) -> None:
    """Create databases, host key and a self-signed certificate. Harmless when they exist.

    \b
    Example:
      postern --home /var/lib/postern init --node mail1
    """
    from appliance.control import founding

    try:
        steps = founding.found(invocation().home, name)
    except Refused as refused:
        raise Failure(refused.text, refused.status) from refused
    rows = [{"what": step.what, "path": step.path, "state": "created" if step.created else "exists"} for step in steps]
    show_table(rows, ["what", "state", "path"])


@click.command("run")
@click.argument("roles", nargs=-1, metavar="[ROLE]...")
def run_command(roles: tuple[str, ...]) -> None:
    """Run the node in the foreground: all roles, or the named ones, like `sessions` and `controller`.

    Prints `ready` on standard error when every listener is open. SIGTERM drains and exits 0; SIGHUP reads the
    certificates again.

    \b
    Example:
      postern --home /var/lib/postern run
    """
    from appliance.supervisor import main as supervisor
    from appliance.supervisor.roles import ROLES

    if unknown := [role for role in roles if role not in ROLES]:
        raise click.UsageError(f"there is no role {unknown[0]!r} (there is: {', '.join(ROLES)})")
    raise SystemExit(supervisor.main(invocation().home, roles))


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--with-spool", is_flag=True, help="Undelivered mail too: restored later, it may be delivered twice.")
def backup_command(file: Path, with_spool: bool) -> None:
    """Write everything this node keeps into FILE (mode 0600), or - for standard output; consistent while it runs.

    It contains the secret key.

    \b
    Example:
      postern backup /root/mail1.tar
    """
    with _to_output() if str(file) == "-" else _whole_file(files.of_this_machine(file)) as archive:
        done = ask(Backup(with_spool), file=archive)
    said = f"{file}: revision {done.value['revision']} of node {done.value['node']}"
    if str(file) == "-":
        click.echo(said, err=True)
    else:
        show({**done.value, "file": str(file)}, said)


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--with-spool", is_flag=True, help="Its undelivered mail too: what was delivered since goes out twice.")
def restore_command(file: Path, with_spool: bool) -> None:
    """Load a backup into this home, whether the node runs or not. What the home held is replaced.

    \b
    Example:
      postern --home /var/lib/postern restore /root/mail1.tar
    """
    with _opened(file) as archive:
        _prepare(invocation().home)
        done: Done = ask(Restore(with_spool), file=archive)
    value = done.value
    show(value, f"restored node {value['node']}, as of {value['made']}, now revision {value['revision']}")


def _prepare(home: Home) -> None:
    """A backup may be restored where there is no node, or no whole one any more."""
    if os.access(home.path, os.X_OK) and home.config_db.exists():
        return
    from appliance.control import founding

    try:
        founding.found(home)
    except Refused as refused:
        raise Failure(refused.text, refused.status) from refused


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}") from error


@contextmanager
def _to_output() -> Iterator[BinaryIO]:
    """A file that is copied to standard output once all of it is there."""
    if sys.stdout.isatty():
        raise Failure("a backup is nothing to look at: `postern backup - > FILE`")
    with tempfile.TemporaryFile() as file:
        yield cast(BinaryIO, file)
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout.buffer)


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name, mode 0600, once all of it is on disk; or not at all."""
    unfinished = None
    try:
        descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        Path(unfinished).replace(path)
        unfinished = None
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from error
    finally:
        if unfinished is not None:
            Path(unfinished).unlink(missing_ok=True)
