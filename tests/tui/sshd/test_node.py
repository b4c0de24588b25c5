"""OpenSSH's own programs against a real node with its controller: what an administrator types, and what comes of it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pyotp
import pyte
import pytest

from tests.services.node import Node
from tests.services.ports import eventually, free_port
from tests.supervisor.watching import is_alive, of_home
from tests.tui.sshd.test_door import Answers

HOST = "127.0.0.42"


class Administrator:
    """Somebody with a key, and OpenSSH's programs."""

    def __init__(self, node: Node, name: str, port: int) -> None:
        self.node, self.name, self.port = node, name, port
        self.key = node.folder / name
        words = ["-q", "-t", "ed25519", "-N", "", "-C", f"{name}@laptop", "-f", str(self.key)]
        subprocess.run(["ssh-keygen", *words], check=True)
        known = node.folder / "known_hosts"
        known.write_text(f"[{HOST}]:{port} " + (node.home / "ssh/ssh_host_ed25519_key.pub").read_text())
        self.options = ["-F", "none", "-i", str(self.key), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
                        "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"]

    def ssh(self, *words: str, stdin: str = "", options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """`ssh NODE WORDS`."""
        command = ["ssh", *self.options, *options, "-p", str(self.port), f"{self.name}@{HOST}", *words]
        return self._run(command, stdin)

    def scp(self, *files: Path, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """`scp FILES NODE:`."""
        to = f"{self.name}@{HOST}:"
        return self._run(["scp", *self.options, *options, "-P", str(self.port), *map(str, files), to])

    def sftp(self, *lines: str) -> subprocess.CompletedProcess[str]:
        """A batch of commands."""
        command = ["sftp", *self.options, "-b", "-", "-P", str(self.port), f"{self.name}@{HOST}"]
        return self._run(command, "\n".join(lines))

    def _run(self, command: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.node.folder)}
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60,
                              env=environment)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """A node with a console and two stores that nobody reaches."""
    folder = Path(tempfile.mkdtemp(prefix="pc-", dir="/tmp"))
    node = Node(folder, host=HOST)
    node.port = free_port(HOST)  # type: ignore[attr-defined]
    node.init()
    stores = [{"name": name, "imap": f"127.0.0.1:{free_port()}"} for name in ("alpha", "beta")]
    node.apply(backend=stores, console={"enabled": True, "listen": [f"{HOST}:{node.port}"]})  # type: ignore[attr-defined]
    with node:
        yield node
    assert of_home(node.home) == []
    assert "Traceback" not in node.log(), node.log()
    shutil.rmtree(folder)


def administrator(node: Node, name: str, role: str) -> Administrator:
    made = Administrator(node, name, node.port)  # type: ignore[attr-defined]
    node.cli("admin", "add", name, "--role", role, "--key", f"{made.key}.pub")
    return made


@pytest.fixture(scope="module")
def maria(node: Node) -> Administrator:
    """An owner."""
    return administrator(node, "maria", "owner")


@pytest.fixture(scope="module")
def vera(node: Node) -> Administrator:
    """A viewer."""
    return administrator(node, "vera", "viewer")


def test_commands_with_their_streams_and_status(maria: Administrator) -> None:
    listed = maria.ssh("map", "list", "--json")
    assert listed.returncode == 0 and '"people"' in listed.stdout and listed.stderr == ""
    put = maria.ssh("map", "put", "people", "ann@example.test", "alpha")
    assert put.returncode == 0 and "ann@example.test is on alpha" in put.stdout
    missing = maria.ssh("map", "get", "people", "nobody@example.test")
    assert missing.returncode == 1 and missing.stderr.startswith("postern: ")
    assert maria.ssh("map", "put", "people").returncode == 2
    assert "maria" in maria.ssh("audit", "list").stdout


def test_a_role_is_a_role(vera: Administrator) -> None:
    assert vera.ssh("map", "list").returncode == 0
    refused = vera.ssh("map", "put", "people", "bob@example.test", "alpha")
    assert refused.returncode == 1 and "operator" in refused.stderr
    assert vera.ssh("admin", "list").returncode in (0, 1)


def test_import_by_standard_input(maria: Administrator) -> None:
    rows = "".join(f"u{n}@example.test,{'alpha' if n % 2 else 'beta'}\n" for n in range(20_000))
    done = maria.ssh("map", "import", "people", "-", "--replace", stdin=rows)
    assert done.returncode == 0, done.stderr
    assert "20,000" in done.stdout
    assert maria.ssh("map", "export", "people").stdout.count("\n") == 20_001


def test_unknown_words_and_those_of_the_machine_itself(maria: Administrator) -> None:
    assert maria.ssh("frobnicate").returncode == 64
    for words in (("init",), ("run",), ("restore", "/tmp/x"), ("tui",), ("map", "list", "--home", "/tmp")):
        refused = maria.ssh(*words)
        assert refused.returncode in (1, 2) and "SSH" in refused.stderr, (words, refused)


def test_files_of_the_machine_are_not_read_for_who_comes_from_elsewhere(maria: Administrator, node: Node) -> None:
    secret = node.folder / "secret.csv"
    secret.write_text("top,secret\n")
    toml = node.folder / "x.toml"
    toml.write_text("[site]\ndomains = [\"example.test\"]\n")
    for words in (
        ("map", "import", "people", str(secret), "--merge"),
        ("account", "import", str(secret)),
        ("config", "check", str(toml)),
        ("config", "diff", str(toml)),
        ("config", "apply", str(toml)),
        ("cert", "add", "x.example.test", "--certificate", str(secret), "--key", str(secret)),
        ("admin", "add", "eve", "--key", str(secret)),
        ("admin", "key", "add", "maria", str(secret)),
        ("backup", str(node.folder / "b.tar")),
    ):
        refused = maria.ssh(*words)
        assert refused.returncode in (1, 2) and "upload:" in refused.stderr, (words, refused)
        assert "top" not in refused.stdout + refused.stderr
    assert not (node.folder / "b.tar").exists()


def test_what_a_configuration_names_is_not_read_either(maria: Administrator, node: Node) -> None:
    named = maria.ssh("config", "check", "-", stdin=f"""
[[certificate]]
certificate = "{node.home}/tls/cert.pem"
key = "{node.home}/tls/key.pem"
""")
    assert named.returncode == 1 and "over SSH" in named.stderr


@pytest.mark.parametrize("options", [(), ("-O",)])
def test_scp_then_import(maria: Administrator, node: Node, options: tuple[str, ...]) -> None:
    file = node.folder / "people-2026.csv"
    file.write_text("".join(f"v{n}@example.test,alpha\n" for n in range(1000)))
    sent = maria.scp(file, options=options)
    assert sent.returncode == 0, sent.stderr
    assert "upload:people-2026.csv is here" in node.log()
    listed = maria.ssh("upload", "list", "--json")
    assert '"people-2026.csv"' in listed.stdout and '"maria"' in listed.stdout
    done = maria.ssh("map", "import", "people", "upload:people-2026.csv", "--replace", "--dry-run")
    assert done.returncode == 0 and "1,000" in done.stdout, done
    assert maria.ssh("upload", "remove", "people-2026.csv").returncode == 0
    assert maria.ssh("map", "import", "people", "upload:people-2026.csv", "--replace").returncode == 1


def test_sftp_holds_one_flat_folder(maria: Administrator, node: Node) -> None:
    file = node.folder / "a.toml"
    file.write_text("[site]\ndomains = [\"example.test\"]\n")
    done = maria.sftp(f"put {file}", "ls -l", "pwd")
    assert done.returncode == 0 and "a.toml" in done.stdout and "maria:" not in done.stdout, done
    assert maria.ssh("config", "check", "upload:a.toml").returncode == 0
    for wrong in (f"put {file} /etc/x", f"put {file} ../../etc/x", "mkdir d", "get a.toml", "ln -s a.toml b",
                  f"put {file} .hidden", f"put {file} 'a b'", "ls /etc"):
        assert maria.sftp(wrong).returncode != 0, wrong
    assert maria.sftp("cd ..", f"put {file} ../x").returncode == 0, "there is nothing above"
    assert sorted(path.name for path in (node.home / "drop").iterdir()) == ["maria:a.toml", "maria:x"]
    assert maria.sftp("rename x y", "rm y", "rm a.toml").returncode == 0


def test_a_viewer_sends_nothing(vera: Administrator, node: Node) -> None:
    file = node.folder / "v.csv"
    file.write_text("a@example.test,alpha\n")
    refused = vera.scp(file)
    assert refused.returncode != 0 and "operator" in refused.stderr


def test_the_help_where_there_is_no_screen(maria: Administrator) -> None:
    assert "Commands" in maria.ssh().stdout
    assert "Commands" in maria.ssh(options=("-tt", "-o", "SetEnv=TERM=dumb")).stdout


def test_forwarding_is_refused(maria: Administrator) -> None:
    assert maria.ssh(options=("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22")).returncode == 255
    assert maria.ssh(options=("-W", "127.0.0.1:22")).returncode != 0


def test_an_administrator_who_is_removed_is_out(maria: Administrator, node: Node) -> None:
    eve = administrator(node, "eve", "operator")
    assert eve.ssh("map", "list").returncode == 0
    maria.ssh("admin", "remove", "eve")
    assert eve.ssh("map", "list").returncode == 255


def test_another_address_while_it_runs(maria: Administrator, node: Node) -> None:
    before, maria.port = maria.port, free_port(HOST)
    assert node.cli("service", "set", "console", f"listen={HOST}:{maria.port}")
    with (node.folder / "known_hosts").open("a") as known:
        known.write(f"[{HOST}]:{maria.port} " + (node.home / "ssh/ssh_host_ed25519_key.pub").read_text())
    assert maria.ssh("status").returncode == 0
    node.cli("service", "set", "console", f"listen={HOST}:{before}")
    maria.port = before


def test_the_console_itself_in_openssh(maria: Administrator) -> None:
    """Open, see that mail flows, leave by a key; and no process is left."""
    child, terminal = pty.fork()
    if child == 0:
        words = ["ssh", *maria.options, "-p", str(maria.port), f"maria@{HOST}"]
        os.execvpe("ssh", words, {**os.environ, "TERM": "xterm-256color"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    screen = pyte.Screen(80, 24)
    stream = pyte.ByteStream(screen)
    while not any("IMAP" in line for line in screen.display):
        assert select.select([terminal], [], [], 20)[0], screen.display
        stream.feed(os.read(terminal, 65536))
    assert maria.node.processes("appliance.cli")
    os.write(terminal, b"\x11")  # Ctrl+Q
    with contextlib.suppress(OSError):  # EIO: ssh has ended
        while os.read(terminal, 65536):
            pass
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(terminal)
    eventually(lambda: not maria.node.processes("appliance.cli"), "no process is left")


def test_password_and_code(maria: Administrator, node: Node) -> None:
    node.cli("admin", "add", "otto", "--role", "viewer")
    node.cli("admin", "password", "otto", stdin="a long enough password\n")
    secret = node.cli("admin", "totp", "otto")["secret"]

    async def come(password: str, code: str) -> int | None:
        answers = lambda: Answers((password, code))  # noqa: E731
        async with await asyncssh.connect(HOST, maria.port, username="otto", known_hosts=None, config=None,
                                          client_keys=None, client_factory=answers) as connection:
            done = await connection.run("map list")
        return done.exit_status

    code = pyotp.TOTP(secret).now()
    assert asyncio.run(come("a long enough password", code)) == 0
    for password, again in (("a long enough password", code), ("a long enough password", ""), ("wrong", "123456")):
        with pytest.raises((asyncssh.PermissionDenied, asyncssh.DisconnectError)):
            asyncio.run(come(password, again))  # a code is good once


def test_a_server_that_is_killed_leaves_no_child_and_has_a_successor(maria: Administrator) -> None:
    (server,) = maria.node.processes("tui.sshd")
    command = ["ssh", *maria.options, "-p", str(maria.port), f"maria@{HOST}", "log", "tail"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as held:
        (child,) = eventually(lambda: maria.node.processes("appliance.cli"), "the command runs")
        os.kill(server, signal.SIGKILL)
        assert held.wait(20) == 255
    eventually(lambda: not is_alive(child), "its child is gone")
    eventually(lambda: maria.ssh("status").returncode == 0, "a successor serves")


def test_a_client_that_is_killed_leaves_no_child(maria: Administrator) -> None:
    command = ["ssh", *maria.options, "-p", str(maria.port), f"maria@{HOST}", "log", "tail"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as held:
        (child,) = eventually(lambda: maria.node.processes("appliance.cli"), "the command runs")
        held.kill()
    eventually(lambda: not is_alive(child), "its child is gone")
