"""Makes a home: folders, keys, databases, the name of the node, a self-signed certificate.

Each step is harmless when its result exists and leaves nothing half made, so that a second run finishes what a full
disk or a kill cut short. Must never touch what exists: a new secret.key would make every stored secret unreadable.
"""

from __future__ import annotations

import contextlib
import grp
import os
import re
import socket
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.control import x509
from appliance.control.api import Refused
from appliance.home import Home
from appliance.vault import Vault
from db import connect, meta, migrate

HOST_KEY: Final = "ssh_host_ed25519_key"
CONSOLE: Final = "postern-console"  # the group of the SSH server's user, on an installed node
NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


class Step(msgspec.Struct, frozen=True):
    """One thing a home needs: where it is, and whether it is new."""

    what: str
    path: str
    created: bool


def found(home: Home, name: str = "") -> list[Step]:
    """Make what is missing; `name` empty: as the host is called. Raises Refused with a sentence."""
    try:
        return list(_steps(home, name))
    except OSError as error:
        raise Refused(f"cannot write {error.filename or home.path}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise Refused(f"cannot create the databases in {home.path}: {error}") from error
    except migrate.TooNew as error:
        raise Refused(f"{home.path}: {error}") from error


def _steps(home: Home, name: str) -> Iterator[Step]:
    modes = {home.path: 0o750, home.run: 0o750, home.staging: 0o700, home.tls: 0o750, home.ssh: 0o700, home.drop: 0o700}
    for path, mode in modes.items():
        yield _made("folder", path, partial(_folder, path, mode))
    yield _made("secret key", home.secret_key, lambda: _secret_key(home))
    yield _made("configuration", home.config_db, lambda: _database(home.config_db, "config"))
    yield _made("node database", home.node_db, lambda: _database(home.node_db, "node"))
    node, new = _name(home, name)
    yield Step(f"node {node}", str(home.node_db), new)
    yield _made("certificate", home.tls / "cert.pem", lambda: _self_signed(home.tls, node))
    yield _made("host key", home.ssh / HOST_KEY, lambda: _host_key(home.ssh))
    give_to_console(home)


def _made(what: str, path: Path, make: Callable[[], object]) -> Step:
    exists = path.is_dir() or _is_whole(path)
    make()
    return Step(what, str(path), not exists)


def _is_whole(path: Path) -> bool:
    """A file that is empty was cut short by a full disk or a kill: it is made again."""
    return path.is_file() and path.stat().st_size > 0


def _folder(path: Path, mode: int) -> None:
    if not path.is_dir():
        path.mkdir(mode, parents=True)
        path.chmod(mode)  # whatever the umask


def give_to_console(home: Home) -> None:
    """What the SSH server's user has to read and write, where there is one; elsewhere the home's owner is that user."""
    with contextlib.suppress(KeyError, OSError):  # only members of a group can give it something
        group = grp.getgrnam(CONSOLE).gr_gid
        for path, mode in ((home.ssh, 0o750), (home.ssh / HOST_KEY, 0o640), (home.drop, 0o770)):
            os.chown(path, -1, group, follow_symlinks=False)
            path.chmod(mode)
        home.run.chmod(0o751)  # the supervisor's socket is there, which looks at who comes (SO_PEERCRED)


def _secret_key(home: Home) -> None:
    if _is_whole(home.secret_key):
        _checked_key(home.secret_key)
        return
    if _is_whole(home.config_db):
        raise Refused(
            f"{home.secret_key} is missing, but {home.config_db} has secrets that only it opens: "
            f"`tar -xf BACKUP -C {home.path} secret.key` takes it out of a backup"
        )
    home.secret_key.unlink(missing_ok=True)
    try:
        Vault.create(home.secret_key)
    except OSError:
        home.secret_key.unlink(missing_ok=True)
        raise


def _checked_key(path: Path) -> None:
    try:
        Vault.load(path)
    except ValueError:
        taken = f"`tar -xf BACKUP -C {path.parent} secret.key` takes it out of a backup"
        raise Refused(f"{path} is no key; {taken}") from None


def _database(path: Path, family: migrate.Family) -> None:
    if not path.exists():
        path.touch(0o640)  # before there is anything in it; its WAL takes its mode
        path.chmod(0o640)
    with contextlib.closing(connect.writer(path)) as database:
        migrate.migrate(database, family)


def _name(home: Home, wanted: str) -> tuple[str, bool]:
    with contextlib.closing(connect.writer(home.node_db)) as database:
        name = meta.node_name(database)
        if name:
            if wanted not in ("", name):
                raise Refused(f"this node is named {name} already")
            return name, False
        if not wanted and _was_used(home):
            raise Refused(f"{home.node_db} knows no name, but this is no new node: give its name with --node")
        name = wanted or _host().partition(".")[0]
        if not NAME.fullmatch(name):
            raise Refused(f"{name!r} cannot be a node's name (letters, digits, '.', '_', '-'): give one with --node")
        meta.name_node(database, name)
        return name, True


def _was_used(home: Home) -> bool:
    """A node with a past must not become another one: its listeners and its store go by its name."""
    with contextlib.closing(connect.reader(home.config_db)) as database:
        return meta.revision(database) > 0


def _host() -> str:
    return socket.gethostname() or "localhost"


def _self_signed(folder: Path, node: str) -> None:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    if _is_whole(certificate) and _is_whole(key):
        return
    host = _host()
    texts = x509.self_signed(host, [host, node, "localhost"], x509.now_utc())
    write_file(key, texts[1].encode(), 0o640)
    write_file(certificate, texts[0].encode(), 0o644)


def _host_key(folder: Path) -> None:
    path = folder / HOST_KEY
    if _is_whole(path):
        return
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    write_file(folder / f"{HOST_KEY}.pub", public + b"\n", 0o644)
    write_file(path, private, 0o600)


def write_file(path: Path, content: bytes, mode: int) -> None:
    """All of it on disk under its name, or nothing; owned like the folder it is in. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.new")
    try:
        # Never through a link: whoever owns the home could point root at any file.
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            with contextlib.suppress(OSError):  # root may run commands on a home of the user postern
                owner = path.parent.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
