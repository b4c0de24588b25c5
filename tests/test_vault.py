"""Secrets at rest: only their key opens them, and nothing of them is shown."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from appliance.vault import Vault

VAULT = Vault(Fernet.generate_key())


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_what_is_sealed_opens(secret: str) -> None:
    sealed = VAULT.seal(secret)
    assert VAULT.open(sealed) == secret
    assert len(secret) < 4 or secret not in sealed


def test_the_same_secret_is_never_sealed_the_same() -> None:
    assert VAULT.seal("secret") != VAULT.seal("secret")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_anything_else_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"^sealed with another secret\.key$"):
        VAULT.open(text)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(ValueError, match="sealed with another") as raised:
        Vault(Fernet.generate_key()).open(VAULT.seal("hunter2"))
    assert "hunter2" not in str(raised.value)


CUT_SHORT = base64.urlsafe_b64encode(bytes(range(32)))[:-4]


@pytest.mark.parametrize("key", [b"", b"short", b"A" * 43, b"A" * 48 + b"==", b"\xff" * 44, CUT_SHORT])
def test_what_is_no_key_is_refused_without_being_shown(key: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_bytes(key)
    with pytest.raises(ValueError, match="this is no secret key") as raised:
        Vault.load(tmp_path / "secret.key")
    assert not key or key.decode("latin-1") not in str(raised.value)


def test_a_new_key_is_private_and_usable(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    Vault.create(path)
    assert path.stat().st_mode & 0o777 == 0o640
    assert Fernet(path.read_bytes().strip()).decrypt(Vault.load(path).seal("x")) == b"x"
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        Vault.create(path)
    assert path.read_bytes() == before
    with pytest.raises(FileNotFoundError):
        Vault.load(tmp_path / "none")


def test_a_vault_prints_nothing_of_its_key() -> None:
    key = Fernet.generate_key()
    assert key.decode() not in f"{Vault(key)!r} {Vault(key)}"


def test_the_cryptography_package_waits_for_the_first_secret(tmp_path: Path) -> None:
    Vault.create(tmp_path / "secret.key")
    code = """
import sys
from pathlib import Path
from appliance.vault import Vault
vault = Vault.load(Path(sys.argv[1]))
print("cryptography" in sys.modules, vault.open(vault.seal("x")), "cryptography" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "secret.key")], capture_output=True, text=True,
                         check=True)
    assert run.stdout == "False x True\n"
