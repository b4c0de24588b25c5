"""TLS certificates by name (SNI)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

from appliance.control import editing, x509
from appliance.control.api import Done, Refused, Request
from appliance.control.api.certificates import CertAdd, CertCheck, CertList, CertRemove
from appliance.control.commands import OPERATOR, VIEWER, By, Command, Node
from appliance.control.editing import Body, Key
from appliance.drop import UPLOAD, Drop, Unfit
from db.objects import Objects

LONGEST: Final = 256 * 1024  # octets of a file with a certificate or key


class Pair(NamedTuple):
    """A certificate that is served, and its key. `own`: made by `init`, for as long as no other is the default."""

    names: list[str]
    certificate: str
    key: str
    own: bool = False


def listed(node: Node, by: By, request: CertList, file: BinaryIO | None) -> Done:
    """All that are served, with what they say of themselves."""
    return Done([_row(pair) for pair in served(node)])


def add(node: Node, by: By, request: CertAdd, file: BinaryIO | None) -> Done:
    """One for these names; what others had of the same names goes over to it."""
    if not request.names:
        raise Refused("a certificate needs a name", 2)
    certificate, key = _pem(node, request.certificate), _pem(node, request.key)
    found = x509.problems(certificate, key, request.names, x509.now_utc())
    if found:
        raise Refused(f"certificate for {', '.join(request.names)}: {'; '.join(found)}", value={"problems": found})
    objects = node.objects()
    body = {"names": request.names, "certificate": certificate, "key": key.rstrip("\r\n")}
    changes: dict[Key, Body | None] = {
        **_without(objects, set(request.names)),
        ("certificate", request.names[0]): body,
    }
    done = editing.change_objects(node, by, f"cert add {' '.join(request.names)}", changes)
    for text in {request.certificate, request.key}:
        if text.startswith(UPLOAD):  # a key must not lie about once it is in use
            with contextlib.suppress(OSError, Unfit):
                Drop(node.home.drop).remove(text.removeprefix(UPLOAD))
    return done


def check(node: Node, by: By, request: CertCheck, file: BinaryIO | None) -> Done:
    """Whether each will serve its names, and for how long."""
    rows = [_checked(pair) for pair in served(node)]
    wrong = [f"{', '.join(row['names'])}: {'; '.join(row['problems'])}" for row in rows if not row["ok"]]
    if wrong:
        raise Refused("\n".join(wrong), value=rows)
    return Done(rows)


def remove(node: Node, by: By, request: CertRemove, file: BinaryIO | None) -> Done:
    """The one that serves this name; of several names it serves, all go."""
    objects = node.objects()
    for name in objects.names("certificate"):
        if request.name in objects.get("certificate", name)["names"]:
            return editing.change_objects(node, by, f"cert remove {request.name}", {("certificate", name): None})
    there = [other for name in objects.names("certificate") for other in objects.get("certificate", name)["names"]]
    raise Refused(f"there is no certificate for {request.name!r} (there is: {', '.join(there) or 'none'})")


def _pem(node: Node, text: str) -> str:
    """The text itself, or of `upload:NAME` what is in the file that was sent. Raises Refused."""
    if not text.startswith(UPLOAD):
        return text
    try:
        with Drop(node.home.drop).opened(text.removeprefix(UPLOAD)) as file:
            return file.read(LONGEST).decode("ascii", "replace")
    except Unfit as error:
        raise Refused(str(error)) from error
    except OSError as error:
        raise Refused(f"the upload cannot be read: {error.strerror}") from error


def _without(objects: Objects, names: set[str]) -> dict[Key, Body | None]:
    """What becomes of the certificates that serve these names now: each name is served by one."""
    changes: dict[Key, Body | None] = {}
    for stored in objects.names("certificate"):
        body = dict(objects.get("certificate", stored))
        left = [name for name in body["names"] if name not in names]
        if left != body["names"]:
            changes["certificate", stored] = None
            if left:
                changes["certificate", left[0]] = {**body, "names": left}
    return changes


def served(node: Node) -> Iterator[Pair]:
    """All certificates with their keys. Raises Refused if the one made by `init` is needed, and gone."""
    objects = node.objects()
    bodies = [objects.get("certificate", name) for name in objects.names("certificate")]
    for body in bodies:
        yield Pair(body["names"], body["certificate"], editing.opened(node.vault, body["key"]))
    if not any("*" in body["names"] for body in bodies):
        try:
            certificate, key = ((node.home.tls / name).read_text() for name in ("cert.pem", "key.pem"))
        except OSError as error:
            raise Refused(f"no certificate is the default one, and {error.filename}: {error.strerror}") from error
        yield Pair(["*"], certificate, key, own=True)


def _row(pair: Pair) -> dict[str, Any]:
    facts = x509.facts(pair.certificate)
    return {
        "names": pair.names,
        "subject": facts.subject,
        "issuer": facts.issuer,
        "from": facts.begins.isoformat(),
        "until": facts.ends.isoformat(),
        "days": facts.days_left(x509.now_utc()),
        "key": facts.key,
        "own": pair.own,
    }


def _checked(pair: Pair) -> dict[str, Any]:
    now = x509.now_utc()
    found = x509.problems(pair.certificate, pair.key, pair.names, now)
    days = x509.facts(pair.certificate).days_left(now)
    if 0 <= days < x509.WARN_DAYS:
        found.append(f"it expires in {days} days")
    return {"names": pair.names, "ok": not found, "problems": found, "days": days}


HANDLERS: Final[dict[type[Request], Command]] = {
    CertList: Command(listed, VIEWER),
    CertAdd: Command(add, OPERATOR),
    CertCheck: Command(check, VIEWER),
    CertRemove: Command(remove, OPERATOR),
}
