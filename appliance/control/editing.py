"""Changes of configuration objects: secrets sealed, the whole checked, one log entry; or nothing and every reason.

Whatever asks (a command, the TOML file, the terminal UI) goes through `change_objects`. Must never store a secret in
clear, nor say one: what is stored stays when KEPT is given, or when the same secret is given again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from appliance.cluster.log import Op, put_object, remove_object
from appliance.control import x509
from appliance.control.api import Done, Refused
from appliance.control.api.config import KEPT
from appliance.control.node import By, Node
from appliance.vault import Vault
from db import catalogue
from db.catalogue import Problem, Setting
from db.objects import Objects

Key = tuple[str, str]
Body = dict[str, Any]
STARS = "***"


class Difference(msgspec.Struct, frozen=True):
    """What becomes of one object: add, set or remove. `keys`: {key, old, new}, contents as stars."""

    change: str
    kind: str
    name: str
    keys: list[dict[str, Any]]


def change_objects(
    node: Node, by: By, what: str, changes: Mapping[Key, Body | None], also: Sequence[Op] = ()
) -> Done:
    """Make each of these bodies (None: no such object) the stored one, and `also` in the same entry.

    Bodies have stored keys; contents in clear or KEPT. What is the same already is left alone. Raises Refused with
    value {problems: [{kind, name, key, text}]} if the configuration would not be right.
    """
    objects = node.objects()
    return store(node, by, what, objects, settle(node.vault, objects, changes), also)


def store(
    node: Node, by: By, what: str, objects: Objects, settled: Mapping[Key, Body | None], also: Sequence[Op] = ()
) -> Done:
    """The same with bodies that `settle` made of what was read as `objects`: sealing twice would lose the secret."""
    changed = {key: body for key, body in settled.items() if body != objects.body(*key)}
    whole = {key: body for key, body in {**objects.bodies(), **changed}.items() if body is not None}
    refuse([*catalogue.check_all(whole), *_unfit_certificates(node.vault, changed)])
    ops = [_op(objects, key, body) for key, body in sorted(changed.items())]
    if not ops and not also:
        return Done({"revision": objects.revision})
    return node.change(by, what, [*ops, *also])


def settle(vault: Vault, objects: Objects, changes: Mapping[Key, Body | None]) -> dict[Key, Body | None]:
    """The bodies as they would be stored: KEPT resolved, secrets sealed. Raises Refused where nothing is kept."""
    problems: list[Problem] = []
    settled: dict[Key, Body | None] = {}
    for (kind, name), body in changes.items():
        stored = objects.body(kind, name) or {}
        settled[kind, name] = body if body is None else dict(_settled(vault, kind, name, stored, body, problems))
    refuse(problems)
    return settled


def refuse(problems: Sequence[Problem]) -> None:
    """Raise Refused that names them all, unless there are none."""
    if problems:
        lines = [sentence(problem) for problem in problems]
        raise Refused("\n".join(lines), value={"problems": [msgspec.to_builtins(problem) for problem in problems]})


def sentence(problem: Problem) -> str:
    """A problem for people: the whole path to the key, and what is wrong there."""
    path = ".".join(part for part in (problem.kind, problem.name, problem.key) if part)
    return f"{path}: {problem.text}"


def differences(old: Mapping[Key, Body], new: Mapping[Key, Body]) -> list[Difference]:
    """What must change for `old` to become `new`, in the order of the catalogue."""
    order = list(catalogue.KINDS)
    keys = sorted({*old, *new}, key=lambda key: (order.index(key[0]), key[1]))
    return [_difference(*key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def _difference(kind: str, name: str, old: Body | None, new: Body | None) -> Difference:
    change = "add" if old is None else "remove" if new is None else "set"
    before, after = old or {}, new or {}
    keys = [
        {"key": setting.name, "old": _shown(setting, before), "new": _shown(setting, after)}
        for setting in catalogue.KINDS[kind].settings
        if before.get(setting.stored) != after.get(setting.stored)
    ]
    return Difference(change, kind, name, keys)


def _shown(setting: Setting, body: Body) -> Any:
    value = body.get(setting.stored)
    return STARS if setting.file and value else value


def _settled(
    vault: Vault, kind: str, name: str, stored: Body, body: Body, problems: list[Problem]
) -> Iterator[tuple[str, Any]]:
    for key, value in body.items():
        setting = catalogue.KINDS[kind].stored(key) if kind in catalogue.KINDS else None
        if setting is None or not setting.file or not isinstance(value, str):
            yield key, value  # what is of another type is told by the check of the whole
        elif value == KEPT and not stored.get(key):
            problems.append(Problem(kind, name, setting.name, f"nothing is kept for {setting.name}: name the file"))
        elif value == KEPT or _is_same(vault, stored.get(key), value):
            yield key, stored[key]
        else:
            yield key, catalogue.SEALED + vault.seal(value) if setting.secret and value else value


def _is_same(vault: Vault, stored: Any, value: object) -> bool:
    """Whether the secret that is given is the one that is stored: sealing it again would look like a change."""
    if isinstance(stored, str) and stored.startswith(catalogue.SEALED) and stored != value:
        return opened(vault, stored) == value
    return bool(stored == value)


def opened(vault: Vault, stored: str) -> str:
    """A stored secret in clear. Raises Refused if it was sealed with another key."""
    try:
        return vault.open(stored.removeprefix(catalogue.SEALED))
    except ValueError as error:
        raise Refused(f"a stored secret cannot be opened: {error}") from error


def _unfit_certificates(vault: Vault, changed: Mapping[Key, Body | None]) -> Iterator[Problem]:
    """A pair that no listener could load must not get into the configuration."""
    for (kind, name), body in changed.items():
        if kind == "certificate" and body and body.get("certificate") and body.get("key"):
            for text in x509.unfit(body["certificate"], opened(vault, body["key"])):
                yield Problem(kind, name, "certificate", text)


def _op(objects: Objects, key: Key, body: Body | None) -> Op:
    rev = objects.rev(*key)
    return remove_object(*key, if_rev=rev) if body is None else put_object(*key, body, if_rev=rev)
