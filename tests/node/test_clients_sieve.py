"""sieve-connect and openssl s_client: scripts that go through the node are, byte for byte, what they are directly."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from tests.node.conftest import Stores
from tests.services.authority import Authority
from tests.services.mailboxes import Door
from tests.services.node import Node
from tests.services.people import JOERG, MARIA, QUOTES, Person

SCRIPTS = {
    "first": b"keep;\r\n",
    "second": '# größer als ein Paket, {5+} "x\\"\r\n'.encode() + b'if header "subject" "a\\"b" { keep; }\n' * 3000,
}
STORY = """upload first "one"
upload second "zwei größer"
list
activate "one"
list
download "one" first.back
download "zwei größer" second.back
deactivate
delete "one"
delete "zwei größer"
list
"""


def sieve_connect(door: Door, who: Person, ca: Path, *words: str, folder: Path) -> str:
    """What sieve-connect prints; it demands STARTTLS and verifies the certificate."""
    command = ["sieve-connect", "--server", "localhost", "--nosrv", "--port", str(door.sieve), "--user", who.address,
               "--passwordfd", "0", "--tlscafile", str(ca), *words]
    run = subprocess.run(command, input=who.password + "\n", capture_output=True, text=True, timeout=60, check=False,
                         cwd=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def story(door: Door, who: Person, ca: Path, folder: Path) -> list[object]:
    """Upload, activate, list, download, delete: all that is said and all that comes back."""
    folder.mkdir()
    for name, script in SCRIPTS.items():
        (folder / name).write_bytes(script)
    (folder / "story").write_text(STORY)
    said = sieve_connect(door, who, ca, "--exec", "story", folder=folder)
    return [said, *((folder / f"{name}.back").read_bytes() for name in SCRIPTS)]


@pytest.mark.parametrize("who", [MARIA, QUOTES], ids=lambda who: who.address)
def test_sieve_connect(node: Node, stores: Stores, authority: Authority, tmp_path: Path, who: Person) -> None:
    ours = story(node, who, authority.file, tmp_path / "ours")
    assert ours == story(stores.alpha, who, authority.file, tmp_path / "theirs")
    assert ours[1:] == list(SCRIPTS.values())


def s_client(door: Door, who: Person, ca: Path) -> str:
    """What is said in a session by openssl s_client, from the answer to the log-in on."""
    token = base64.b64encode(f"\0{who.address}\0{who.password}".encode()).decode()
    typed = f'AUTHENTICATE "PLAIN" "{token}"\nCAPABILITY\nPUTSCRIPT "typed" {{7+}}\nkeep;\n\nLISTSCRIPTS\n' \
            'GETSCRIPT "typed"\nSETACTIVE "nothing"\nDELETESCRIPT "typed"\nLOGOUT\n'
    run = subprocess.run(
        ["openssl", "s_client", "-quiet", "-crlf", "-starttls", "sieve", "-connect", f"localhost:{door.sieve}",
         "-CAfile", str(ca), "-verify_return_error", "-verify_hostname", "localhost"],
        input=typed, capture_output=True, text=True, timeout=60, check=False)
    assert 'OK "Logged in."' in run.stdout, run.stdout + run.stderr
    return run.stdout[run.stdout.index('OK "Logged in."'):]


def test_openssl_s_client(node: Node, stores: Stores, authority: Authority) -> None:
    ours = s_client(node, JOERG, authority.file)
    assert ours == s_client(stores.alpha, JOERG, authority.file)
    assert ours.endswith('OK "Logout completed."\n')
