"""The command line itself: options anywhere, statuses, help with an example everywhere, a cheap start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest

from appliance.cli import NOUNS, root, to_front
from appliance.cli.base import plain, table
from tests.cli.conftest import Postern


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(root)
    for noun in NOUNS:
        command = root.get_command(context, noun)
        assert command is not None
        yield noun, command
        if isinstance(command, click.Group):
            yield from ((f"{noun} {verb}", inner) for verb, inner in command.commands.items())


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_says_what_it_does_with_an_example(name: str, command: click.Command) -> None:
    said = command.get_help(click.Context(command, info_name=name))
    assert command.help
    if not isinstance(command, click.Group):
        assert f"postern {name}" in said.replace("--home /var/lib/postern ", "").split("Example")[1]


def test_home_and_json_may_stand_anywhere(postern: Postern) -> None:
    home = str(postern.home)
    lines = (
        ("--home", home, "--json", "backend", "list"),
        ("backend", "--home", home, "list", "--json"),
        ("backend", "list", f"--home={home}", "--json"),
    )
    assert {Postern(postern.home / "not-there").process(*line).stdout for line in lines} == {"[]\n"}
    assert to_front(["map", "put", "--", "--json"]) == ["map", "put", "--", "--json"]
    assert to_front(["backend", "--home"]) == ["--home", "backend"]


def test_json_is_one_document_also_for_refusals(postern: Postern) -> None:
    ran = postern.process("backend", "remove", "one", "--json")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("\n") == 1


def test_a_second_writer_is_refused_with_the_first_ones_pid(postern: Postern) -> None:
    hold = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(postern.home / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    (postern.home / "lock").write_text(f"{holder.pid}\n")
    try:
        assert f"process {holder.pid}" in postern.text("backend", "list", status=1)
    finally:
        holder.communicate(b"")


def test_a_command_loads_only_its_own_noun() -> None:
    code = (
        "import sys; from appliance.cli import main\n"
        "try: main(['ban', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'rich', 'sqlite3', 'cryptography', 'asyncio', 'appliance.cli.maps', 'db'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_tables_align_and_cannot_disturb_a_terminal() -> None:
    pairs: list[tuple[Any, Any]] = [("a\x1b[31m", 5), ("bb", 1000), (None, None)]
    rows = [{"name": name, "count": count} for name, count in pairs]
    assert list(table(rows, ("name", "count"))) == ["NAME       COUNT", "a\\x1b[31m      5", "bb          1000", ""]
    assert plain(["x", True, {"k": 1}]) == "x, yes, k=1"
    assert plain("zoë") == "zoë"


def test_completion_knows_nouns_and_verbs(postern: Postern) -> None:
    environment = {"_POSTERN_COMPLETE": "bash_complete", "COMP_WORDS": "postern backend ", "COMP_CWORD": "2"}
    ran = subprocess.run(
        [sys.executable, "-m", "appliance.cli"], capture_output=True, text=True, check=False, env=environment
    )
    assert "plain,drain" in ran.stdout.split()
