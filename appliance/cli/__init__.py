"""`postern NOUN VERB ...`: the commands. Each is one request to the node, shown as text or JSON.

Modules are loaded by the noun that was typed, so `postern status` starts without loading what imports need.
`--home DIR` and `--json` may stand anywhere on the line: they are moved to its front before click reads it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from appliance.cli.base import Failure, Invocation, plain
from appliance.cli.files import is_remote
from appliance.home import Home

# noun: (the module of appliance.cli that defines NOUN_command, its line in `postern --help`)
NOUNS: Final[dict[str, tuple[str, str]]] = {
    "init": ("node", "Create this node's databases, keys and a self-signed certificate."),
    "run": ("node", "Run the node in the foreground."),
    "overview": ("overview", "Does mail flow? And what needs somebody."),
    "find": ("overview", "People by a part of their address."),
    "status": ("live", "The node at a glance."),
    "config": ("config", "The configuration as one TOML file."),
    "service": ("service", "The services: imap, pop3, sieve, smtp, submission, webmail, console."),
    "backend": ("backend", "The mail stores behind this node."),
    "map": ("maps", "User maps: which back-end holds which address."),
    "route": ("live", "Explain where an address would go now, and why."),
    "account": ("account", "Internal accounts and their passwords."),
    "session": ("live", "Sessions that are open now."),
    "ban": ("ban", "Refused addresses and accounts."),
    "admin": ("admin", "Administrators: who may use the console, and commands over SSH."),
    "cert": ("cert", "TLS certificates by name."),
    "log": ("live", "Log-ins as they happen."),
    "audit": ("audit", "Who changed what, and how to take it back."),
    "tui": ("terminal", "The console, on this terminal."),
    "upload": ("upload", "Files sent by scp, for commands to take as upload:NAME."),
    "backup": ("node", "Write everything this node keeps into one file."),
    "restore": ("node", "Load a backup."),
}


# what is of the machine, and not of the node; the console over SSH is what one gets without a command
OF_THE_MACHINE: Final = frozenset({"init", "run", "restore"})
UNKNOWN: Final = 64  # exit status over SSH


class Nouns(click.Group):
    """The root group: finds a noun's module when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All nouns, in the order of the table."""
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a noun, or None."""
        if cmd_name not in NOUNS:
            return None
        module = import_module(f"appliance.cli.{NOUNS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of a line; over SSH not every one is to be had."""
        if is_remote():
            _check_remote(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The nouns' lines in the help, from the table: nothing needs loading."""
        with formatter.section("Commands"):
            formatter.write_dl([(noun, line) for noun, (_, line) in NOUNS.items()])


@click.command(cls=Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", metavar="DIR", help="The node's folder; else POSTERN_HOME, else /var/lib/postern.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON with stable keys.")
@click.version_option(package_name="postern")
@click.pass_context
def root(context: click.Context, home: str | None, as_json: bool) -> None:
    """Postern, the front door of a small mail cluster.

    --home and --json may stand anywhere on the line. Exit status: 0 done, 1 refused or failed, 2 wrong usage,
    3 not known yet.

    \b
    Example:
      postern --home /tmp/node1 backend list --json
    """
    if home is not None and is_remote():
        raise Failure("over SSH there is this node alone: leave --home out", 2)
    context.obj = Invocation(Home.find(home), as_json)


def _check_remote(noun: str) -> None:
    if noun in OF_THE_MACHINE:
        raise Failure(f"`postern {noun}` is not to be had over SSH: type it on the machine itself")
    if noun == "tui" and not sys.stdin.isatty():
        raise Failure("over SSH the console is what you get without a command: `ssh -p 2222 NAME@NODE`")
    if noun not in NOUNS:
        raise Failure(f"there is no command {plain(noun[:80])!r}: `--help` lists all", UNKNOWN)


def to_front(arguments: Sequence[str]) -> list[str]:
    """The line with --home DIR and --json first. What follows `--` stays as it is."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--json" or word.startswith("--home="):
            front.append(word)
        elif word == "--home":
            front += [word, *([value] if (value := next(words, None)) is not None else [])]
        else:
            rest.append(word)
    return front + rest


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit with its status."""
    if is_remote():  # beside us run other administrators' processes, of the same user
        import_module("appliance.undumpable").become_undumpable()
    root.main(args=to_front(sys.argv[1:] if arguments is None else arguments), prog_name="postern")
