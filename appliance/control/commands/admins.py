"""Administrators: who may use the console and commands over SSH, as what, and how they prove who they are.

A password is hashed, a TOTP secret sealed, before it goes anywhere; neither may reach an entry's words or a message.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO, Final

from msgspec.structs import replace

from appliance.cluster.log import Op
from appliance.control import onetime, owners, sshkeys
from appliance.control.api import Done, Refused, Request
from appliance.control.api.admins import (
    AdminAdd,
    AdminKeyAdd,
    AdminKeyRemove,
    AdminList,
    AdminPassword,
    AdminRemove,
    AdminRole,
    AdminTotp,
)
from appliance.control.commands import OWNER, ROLES, VIEWER, By, Command, Node
from appliance.routing import passwords
from db import admins, catalogue
from db.admins import Admin

NAME: Final = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,31}")
SHORTEST: Final = 8  # characters of a password: the console's door stands open to the world
KEYS: Final = 32  # of one administrator


def listed(node: Node, by: By, request: AdminList, file: BinaryIO | None) -> Done:
    """All of them."""
    seen = node.door.seen()
    return Done([_shown(one, seen) for one in admins.all(node.reader())])


def add(node: Node, by: By, request: AdminAdd, file: BinaryIO | None) -> Done:
    """A new one."""
    if not NAME.fullmatch(request.name):
        raise Refused(f"{request.name[:80]!r} cannot be a log-in name: a-z, 0-9, '_', '.', '-', at most 32 of them")
    if admins.get(node.reader(), request.name) is not None:
        raise Refused(f"there is an administrator {request.name} already; `postern admin role` changes the role")
    keys = [sshkeys.parsed(request.key)] if request.key else []
    new = Admin(request.name, _role(request.role), keys, "", "", 0)
    done = _changed(node, by, f"admin add {new.name} as {new.role}", owners.stored(new))
    return Done({"name": new.name, "role": new.role, **done.value}, done.note)


def change_role(node: Node, by: By, request: AdminRole, file: BinaryIO | None) -> Done:
    """Another role."""
    new = replace(_existing(node, request.name), role=_role(request.role))
    return _changed(node, by, f"admin role {new.name} {new.role}", owners.stored(new))


def add_key(node: Node, by: By, request: AdminKeyAdd, file: BinaryIO | None) -> Done:
    """One more key."""
    found, key = _existing(node, request.name), sshkeys.parsed(request.key)
    if any(key["fingerprint"] == one["fingerprint"] for one in found.keys):
        raise Refused(f"{found.name} has this key already: {key['fingerprint']}")
    if len(found.keys) >= KEYS:
        raise Refused(f"{found.name} has {KEYS} keys, which is the most: remove one first")
    what = f"admin key add {found.name} {key['fingerprint']}"
    done = _changed(node, by, what, owners.stored(replace(found, keys=[*found.keys, key])))
    return Done({"fingerprint": key["fingerprint"], **done.value}, done.note)


def remove_key(node: Node, by: By, request: AdminKeyRemove, file: BinaryIO | None) -> Done:
    """One key less."""
    found = _existing(node, request.name)
    left = [one for one in found.keys if one["fingerprint"] != request.fingerprint]
    if len(left) == len(found.keys):
        raise Refused(f"{found.name} has no key {request.fingerprint[:80]!r}; `postern admin list` shows them")
    what = f"admin key remove {found.name} {request.fingerprint}"
    return _changed(node, by, what, owners.stored(replace(found, keys=left)))


def password(node: Node, by: By, request: AdminPassword, file: BinaryIO | None) -> Done:
    """Another password, or none."""
    found = _own(node, by, request.name)
    if request.password and len(request.password) < SHORTEST:
        raise Refused(f"an administrator's password has at least {SHORTEST} characters")
    if len(request.password.encode()) > passwords.LONGEST:
        raise Refused(f"a password has at most {passwords.LONGEST} octets")
    hashed = passwords.hash(request.password.encode()) if request.password else ""
    what = f"admin password {found.name}" + ("" if hashed else ": none any more")
    return node.change(by, what, [owners.stored(replace(found, password=hashed))])


def totp(node: Node, by: By, request: AdminTotp, file: BinaryIO | None) -> Done:
    """A new secret, or none."""
    found = _own(node, by, request.name)
    secret = "" if request.off else onetime.new_secret()
    sealed = catalogue.SEALED + node.vault.seal(secret) if secret else ""
    what = f"admin totp {found.name}" + ("" if secret else " off")
    done = node.change(by, what, [owners.stored(replace(found, totp=sealed))])
    shown = {"secret": secret, "uri": onetime.uri(secret, found.name, node.name)} if secret else {}
    return Done({**shown, **done.value}, done.note)


def remove(node: Node, by: By, request: AdminRemove, file: BinaryIO | None) -> Done:
    """Gone."""
    found = _existing(node, request.name)
    gone = Op("admin", {"name": found.name}, None, found.rev)
    return _changed(node, by, f"admin remove {found.name}", gone)


def _changed(node: Node, by: By, what: str, op: Op) -> Done:
    return node.change(by, what, owners.guard(node, by, [op]))


def _existing(node: Node, name: str) -> Admin:
    found = admins.get(node.reader(), name)
    if found is None:
        there = ", ".join(one.name for one in admins.all(node.reader())[:20]) or "none"
        raise Refused(f"there is no administrator {name[:80]!r} (there is: {there})")
    return found


def _own(node: Node, by: By, name: str) -> Admin:
    """Whose password or codes an administrator may change: his own; an owner anybody's."""
    if by.role != OWNER and (by.entered is None or by.name != name):
        raise Refused(f"only an owner changes other administrators; {by.name} is {by.role}")
    return _existing(node, name)


def _role(role: str) -> str:
    if role not in ROLES:
        raise Refused(f"{role[:80]!r} is no role (there is: {', '.join(ROLES)})")
    return role


def _shown(one: Admin, seen: dict[str, float]) -> dict[str, Any]:
    return {
        "name": one.name,
        "role": one.role,
        "keys": [{"fingerprint": key["fingerprint"], "comment": key["comment"]} for key in one.keys],
        "password": bool(one.password),
        "totp": bool(one.totp),
        "seen": seen.get(one.name),
    }


HANDLERS: Final[dict[type[Request], Command]] = {
    AdminList: Command(listed, VIEWER),
    AdminAdd: Command(add, OWNER),
    AdminRole: Command(change_role, OWNER),
    AdminKeyAdd: Command(add_key, OWNER),
    AdminKeyRemove: Command(remove_key, OWNER),
    AdminPassword: Command(password, VIEWER),
    AdminTotp: Command(totp, VIEWER),
    AdminRemove: Command(remove, OWNER),
}
