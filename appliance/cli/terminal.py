"""`postern tui`: the terminal UI, on this terminal."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from appliance.cli.base import Failure, invocation


@click.command("tui")
def tui_command() -> None:
    """The console: everything an administrator does, on this terminal. The same as `ssh -p 2222 NAME@NODE`.

    \b
    Example:
      postern tui
    """
    from appliance.control.client import Client

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failure("this is no terminal: `postern --help` lists the commands that do the same")
    home = invocation().home
    app = import_module("tui.app")  # by name: commands know nothing of the terminal UI
    sys.exit(app.main(lambda: Client.connect(home)))
