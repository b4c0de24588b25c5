"""What may be configured: one object by itself, and all of them together. Knows no file and no database.

A body is checked as it is stored (see the package): keys without `_file`, contents in place of paths.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from db.catalogue import formats
from db.catalogue.kinds import KINDS
from db.catalogue.types import Kind, Problem, Setting
from db.catalogue.values import wrong

Body = dict[str, Any]
Bodies = Mapping[tuple[str, str], Body]

_RELAY_NETWORKS: Final = next(setting for setting in KINDS["smtp"].settings if setting.name == "relay_networks")
LISTENING: Final = ("imap", "pop3", "sieve", "smtp", "submission", "webmail", "console", "metrics")


def check(kind: str, name: str, body: Body) -> list[Problem]:
    """What is wrong with one object by itself: unknown keys, types, formats, what must go together."""
    if kind not in KINDS:
        return [Problem(kind, name, "", f"there is no {kind}; there is {', '.join(KINDS)}")]
    found = [Problem(kind, name, key, text) for key, text in _of_keys(KINDS[kind], body)]
    if not found:
        whole = effective(kind, body)
        found = [Problem(kind, name, key, text) for key, text in _NEEDS.get(kind, _nothing)(whole)]
    if not KINDS[kind].single and not _is_name(kind, name):
        found.append(Problem(kind, name, KINDS[kind].named_by, f"{name!r} is not a name: letters, digits, . - and _"))
    return found


def check_all(objects: Bodies) -> list[Problem]:
    """What is wrong between objects: names of others that are not there, circles, addresses used twice."""
    return [
        *(problem for (kind, name), body in sorted(objects.items()) for problem in check(kind, name, body)),
        *_dangling(objects),
        *_standby_circles(objects),
        *_listeners_twice(objects),
        *_own_relay_networks(objects),
    ]


def effective(kind: str, body: Body) -> Body:
    """The body with the defaults of all that was not set; fresh, so that it may be changed."""
    return {**_defaults(KINDS[kind]), **body}


def unknown_key(kind: Kind, key: str, names: list[str]) -> str:
    """The sentence for a key that does not exist."""
    near = difflib.get_close_matches(key, names, n=1)
    return f"{kind.name} has no setting {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _defaults(kind: Kind) -> Body:
    return {setting.stored: _fresh(setting.default) for setting in kind.settings}


def _fresh(value: Any) -> Any:
    return value.copy() if isinstance(value, (list, dict)) else value


def _is_name(kind: str, name: str) -> bool:
    if kind in ("oauth", "certificate"):  # named by what they are about: an issuer's URL, a host name or "*"
        return len(name) < 500 and formats.is_line(name)
    return bool(name) and len(name) <= 100 and name.replace("-", "").replace("_", "").replace(".", "").isalnum()


# --- one object ----------------------------------------------------------------------------------------------


def _of_keys(kind: Kind, body: Body) -> Iterator[tuple[str, str]]:
    for key, value in body.items():
        setting = kind.stored(key)
        if setting is None:
            yield key, unknown_key(kind, key, [setting.name for setting in kind.settings])
        elif problem := wrong(setting, value):
            yield setting.name, problem
    for setting in kind.settings:
        if setting.required and not body.get(setting.stored, setting.default):
            yield setting.name, f"{setting.name} must be set"


def _nothing(_: Body) -> Iterator[tuple[str, str]]:
    return iter(())


def _backend_needs(body: Body) -> Iterator[tuple[str, str]]:
    if body["login"] == "master" and not body["master_user"]:
        yield "master_user", 'login = "master" needs master_user'
    if body["login"] == "master" and not body["master_password"]:
        yield "master_password_file", 'login = "master" needs master_password_file'
    for protocol in body["local"]:
        if not body[protocol]:
            yield "local", f"local names {protocol}, but {protocol} itself is not set"


def _map_needs(body: Body) -> Iterator[tuple[str, str]]:
    ldap = body["type"].startswith("ldap")
    for key, needed in (("path", body["type"] == "file"), ("ldap", ldap)):
        if needed and not body[key]:
            yield key, f'type = "{body["type"]}" needs {key}'
        if body[key] and not needed:
            yield key, f'type = "{body["type"]}" has no use for {key}'


def _auth_needs(body: Body) -> Iterator[tuple[str, str]]:
    if body["method"] == "ldap" and not body["ldap"]:
        yield "ldap", 'method = "ldap" needs ldap, the name of a connector'


def _oauth_needs(body: Body) -> Iterator[tuple[str, str]]:
    ways = [key for key in ("jwks", "introspection", "pass_through") if body[key]]
    if len(ways) != 1:
        yield "", "exactly one of jwks, introspection and pass_through must be set"


_NEEDS: Final[dict[str, Callable[[Body], Iterator[tuple[str, str]]]]] = {
    "backend": _backend_needs,
    "map": _map_needs,
    "auth": _auth_needs,
    "oauth": _oauth_needs,
}


# --- all objects ---------------------------------------------------------------------------------------------


def _dangling(objects: Bodies) -> Iterator[Problem]:
    """Names of other objects that are not there. Defaults may name what does not exist yet."""
    for (kind, name), body in sorted(objects.items()):
        for setting in KINDS[kind].settings if kind in KINDS else ():
            for other in _named(setting, body.get(setting.stored)):
                if (setting.refers, other) not in objects:
                    text = f"{setting.name} names the {setting.refers} {other!r}, which does not exist"
                    yield Problem(kind, name, setting.name, text)


def _named(setting: Setting, value: Any) -> list[str]:
    if not setting.refers or not value:
        return []
    if isinstance(value, list):
        return [item for item in value if isinstance(item, str)]
    return [] if not isinstance(value, str) or (setting.type == "target" and ":" in value) else [value]


def _standby_circles(objects: Bodies) -> Iterator[Problem]:
    """A standby that is the store itself, or leads back to it, would be no help."""
    standby = {name: body.get("standby", "") for (kind, name), body in objects.items() if kind == "backend"}
    for name in sorted(standby):
        seen, other = {name}, standby[name]
        while other in standby and other not in seen:
            seen.add(other)
            other = standby[other]
        if other == name:
            how = "names" if len(seen) == 1 else "leads back to"
            yield Problem("backend", name, "standby", f"standby {how} the back-end itself")


def _listeners_twice(objects: Bodies) -> Iterator[Problem]:
    """On each node, one address may be listened on once. [::] takes the IPv4 addresses of its port as well."""
    nodes = [name for kind, name in objects if kind == "node"] or [""]
    reported: set[tuple[str, str]] = set()
    for node in sorted(nodes):
        taken: dict[tuple[str, int], tuple[str, set[str]]] = {}
        for service, key, address in listeners(objects, node):
            host, port = formats.host_port(address)
            place = ("*" if host in ("::", "0.0.0.0") else host, port)  # noqa: S104 - compared, not opened
            other, same = taken.setdefault(place, (f"{service}.{key}", set()))
            is_twice = other != f"{service}.{key}" or address in same
            same.add(address)
            if is_twice and (service, address) not in reported:
                reported.add((service, address))
                yield Problem(service, "", key, f"{key} has {address}, which {other} listens on already")


def listeners(objects: Bodies, node: str) -> Iterator[tuple[str, str, str]]:
    """Service, key and address of everything that a node listens on. Values of a wrong type are left out."""
    own = objects.get(("node", node), {})
    for service in LISTENING:
        body = effective(service, objects.get((service, ""), {}))
        if not body.get("enabled", True):
            continue
        here = own.get(service)
        for key in ("listen", "listen_tls"):
            addresses: Any = (here if isinstance(here, dict) else {}).get(key, body.get(key))
            setting = KINDS[service].stored(key)
            if setting and not wrong(setting, addresses):
                yield from ((service, key, address) for address in addresses)


def _own_relay_networks(objects: Bodies) -> Iterator[Problem]:
    """Our own addresses may not relay without a log-in: behind them may be a stranger whom we pass on."""
    own = {host for (kind, _), body in objects.items() if kind == "backend" for host in _hosts(body)}
    networks = effective("smtp", objects.get(("smtp", ""), {}))["relay_networks"]
    for entry in networks if not wrong(_RELAY_NETWORKS, networks) else ():
        if entry.partition("/")[0] in own and formats.network(entry).num_addresses == 1:
            text = f"relay_networks has {entry}, which is an address of this cluster"
            yield Problem("smtp", "", "relay_networks", text)


def _hosts(body: Body) -> Iterator[str]:
    endpoints = [value for key, value in body.items() if key in ("imap", "pop3", "sieve", "smtp", "lmtp")]
    for endpoint in endpoints:
        if isinstance(endpoint, str) and endpoint:
            yield endpoint.rpartition(":")[0].strip("[]")
