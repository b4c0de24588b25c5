"""What is configured, as commands show it, and what still refers to a back-end or a map.

Must never show a secret, nor change anything: `forget_maps` only says which rows would have to go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from appliance.cluster.log import Op
from appliance.control.api import Refused
from appliance.control.api.config import KEPT
from appliance.control.editing import Body, Key
from appliance.control.node import Node, after
from appliance.terms import Service
from db import catalogue, maps
from db.catalogue import Problem, Setting
from db.objects import Objects

WORDS: Final = {"backend": "back-end"}
SERVED: Final = frozenset({Service.IMAP, Service.POP3, Service.SIEVE, Service.CONSOLE})  # by this release
NOT_SERVED: Final = "not served by this release: nothing listens"


def shown(kind: str, body: Body) -> Body:
    """A stored body with its contents (secret or not) as KEPT: the files they came from are not known any more."""
    contents = {setting.stored for setting in catalogue.KINDS[kind].settings if setting.file}
    return {key: KEPT if key in contents and value else value for key, value in body.items()}


def values(objects: Objects, kind: str, name: str = "") -> Body:
    """What holds for an object, defaults filled in, by the names that administrators write."""
    whole = shown(kind, objects.get(kind, name))
    return {setting.name: whole[setting.stored] for setting in catalogue.KINDS[kind].settings}


def settings(objects: Objects, kind: str, name: str = "") -> list[dict[str, Any]]:
    """Each setting of an object, as of ServiceShow; of one that is not there yet, the defaults."""
    whole, was_set = values(objects, kind, name), objects.body(kind, name) or {}
    return [
        {
            "name": setting.name,
            "value": whole[setting.name],
            "set": setting.stored in was_set,
            "default": setting.default,
            "unit": setting.unit,
            "help": setting.help,
            **_form(objects, setting),
        }
        for setting in catalogue.KINDS[kind].settings
    ]


def _form(objects: Objects, setting: Setting) -> Body:
    """What a form has to know to ask for a value; what is wrong with one, the node says when it is set."""
    choices = setting.choices if setting.type == "choice" else objects.names(setting.refers) if setting.refers else ()
    return {
        "type": setting.type,
        "choices": list(choices),
        "minimum": setting.minimum,
        "maximum": setting.maximum,
        "required": setting.required,
        "file": setting.file,
        "secret": setting.secret,
        "live": setting.live,
        "scope": setting.scope,
    }


def with_values(objects: Objects, kind: str, name: str, given: Mapping[str, Any]) -> Body:
    """The stored body with these (by the names that administrators write) set; None goes back to the default.

    Raises Refused for a setting that does not exist.
    """
    body = dict(objects.body(kind, name) or {})
    for key, value in given.items():
        setting = catalogue.KINDS[kind].written(key)
        if setting is None:
            raise Refused(_no_such_key(kind, key))
        if value is None:
            body.pop(setting.stored, None)
        else:
            body[setting.stored] = value
    return body


def existing(objects: Objects, kind: str, name: str) -> Body:
    """The stored body. Raises Refused, naming what there is, if there is none."""
    body = objects.body(kind, name)
    if body is None:
        there = ", ".join(objects.names(kind)) or "none"
        raise Refused(f"there is no {WORDS.get(kind, kind)} {name!r} (there is: {there})")
    return body


def service_state(node: Node, objects: Objects, name: str) -> dict[str, str]:
    """state: on | off | stopped | unavailable; reason: why it is not on although it is meant to be."""
    if not objects.get(name)["enabled"]:
        return {"state": "off", "reason": ""}
    if name not in SERVED:
        return {"state": "unavailable", "reason": NOT_SERVED}
    serves = node.hub is not None and (name == Service.CONSOLE or bool(node.hub.workers()))
    return {"state": "on" if serves else "stopped", "reason": ""}


def users_of_backend(node: Node, name: str) -> list[str]:
    """Who refers to a back-end, each as a phrase: standby, fail-over, maps with the number of entries."""
    objects = node.objects()
    return [*_references(objects, "backend", name), *(phrase for phrase, _ in _entries_naming(node, {name}))]


def entries(node: Node, map_name: str) -> int:
    """How many entries a sqlite map has."""
    state = maps.state(node.reader(), map_name)
    return state.entries if state else 0


def counted(number: int) -> str:
    """A number of entries, in words."""
    return f"{number:,} entr{'y' if number == 1 else 'ies'}"


def entries_left_behind(node: Node, gone: Collection[Key]) -> list[Problem]:
    """Back-ends among `gone` that entries of maps which stay still name."""
    backends = {name for kind, name in gone if kind == "backend"}
    dropped = {name for kind, name in gone if kind == "map"}
    return [
        Problem("backend", name, "", f"cannot be removed: {phrase}")
        for phrase, name in _entries_naming(node, backends, dropped)
    ]


def left_undefined(node: Node, ops: Sequence[Op], loads: Mapping[str, int] | None = None) -> list[Problem]:
    """What ops that were right once would break by now, and entries that they, or these loads of maps, put in force
    although no such back-end is defined any more.
    """
    now = node.objects()
    then = after(now, ops)
    wrong_now = catalogue.check_all(now.bodies())
    problems = [problem for problem in catalogue.check_all(then.bodies()) if problem not in wrong_now]
    defined = set(then.names("backend"))
    gone = {("backend", name) for name in now.names("backend") if name not in defined}
    rows = [op.row for op in ops if op.row is not None]
    named = [(row["map"], row["backend"], 1) for row in rows if "backend" in row]
    in_force = {**{row["map"]: row["load"] for row in rows if "load" in row}, **(loads or {})}
    for name, load in in_force.items():
        named += [(name, backend, count) for backend, count in maps.counts(node.reader(), load).items()]
    problems += [
        Problem("map", name, "", f"{counted(count)} would be on back-end {backend}, which is not defined any more")
        for name, backend, count in named
        if backend not in defined
    ]
    return problems + (entries_left_behind(node, gone) if gone else [])


def forget_maps(node: Node, gone: Collection[Key]) -> list[Op]:
    """What goes with the removal of maps: their entries are out of force, and can be had back for 7 days."""
    states = maps.states(node.reader())
    names = [name for kind, name in sorted(gone) if kind == "map" and name in states]
    return [Op(table="map_state", key={"map": name}, row=None, if_rev=states[name].rev) for name in names]


def _references(objects: Objects, kind: str, name: str) -> Iterator[str]:
    """Settings of other objects whose value is this object's name."""
    for of, other in objects:
        for setting in catalogue.KINDS[of].settings:
            value = (objects.body(of, other) or {}).get(setting.stored)
            if setting.refers == kind and (value == name or (isinstance(value, list) and name in value)):
                yield f"{setting.name} of {' '.join(filter(None, (of, other)))}"


def _entries_naming(
    node: Node, backends: Collection[str], but: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """A phrase and the back-end, for each map (not those of `but`) with entries that name one of these."""
    if not backends:
        return
    for map_name in node.objects().names("map"):
        state = maps.state(node.reader(), map_name)
        if state is None or map_name in but:
            continue
        for name, count in maps.counts(node.reader(), state.load).items():
            if name in backends:
                yield f"map {map_name} sends {counted(count)} there", name


def _no_such_key(kind: str, key: str) -> str:
    try:
        catalogue.parse_value(kind, key, "")
    except ValueError as error:
        return str(error)
    return f"{kind} has no setting {key!r}"
