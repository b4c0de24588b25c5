"""What was changed, by whom, from what to what; and taking it back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

from appliance.cluster.revert import revert
from appliance.control import configured, editing, owners
from appliance.control.api import Done, Refused, Request
from appliance.control.api.audit import AuditList, AuditRevert, AuditShow
from appliance.control.commands import OPERATOR, VIEWER, By, Command, Node, bounded
from db import audit
from db.audit import Image, Record

STARS: Final = "***"
NEWEST: Final = 2**63 - 1  # what SQLite can compare a revision with


def listed(node: Node, by: By, request: AuditList, file: BinaryIO | None) -> Done:
    """A page of them, newest first."""
    records = audit.page(node.reader(), before=bounded(request.before, NEWEST), limit=bounded(request.limit, 1000))
    return Done([_row(record) for record in records])


def show(node: Node, by: By, request: AuditShow, file: BinaryIO | None) -> Done:
    """One, with what it replaced by what."""
    record = _record(node, request.id)
    pairs = zip(record.before, record.after, strict=False)
    changes = [{"table": old["table"], "key": old["key"], "keys": _keys(old, new)} for old, new in pairs]
    return Done({**_row(record), "conflict": record.conflict, "changes": changes})


def take_back(node: Node, by: By, request: AuditRevert, file: BinaryIO | None) -> Done:
    """Put back what it replaced, as a change of its own."""
    return taken_back(node, by, _record(node, request.id))


def taken_back(node: Node, by: By, record: Record, why: str = "") -> Done:
    """Put back what a change replaced. `why`: for the audit. Raises Refused; a `conflict` in its value is for good."""
    try:
        ops = revert(node.reader(), record.revision)
    except (LookupError, ValueError) as error:
        raise Refused(str(error.args[0]), value={"conflict": str(error.args[0])}) from error
    editing.refuse(configured.left_undefined(node, ops))
    what = f"audit revert {record.revision}: {record.what}" + (f" ({why})" if why else "")
    return node.change(by, what, owners.guard(node, by, ops))


def _record(node: Node, named: str) -> Record:
    """By its revision, or by its id. Raises Refused."""
    found = audit.get(node.reader(), int(named)) if named.isdecimal() and len(named) < 19 else None
    found = found or audit.by_id(node.reader(), named)
    if found is None:
        raise Refused(f"there is no change {named[:80]!r}; `postern audit list` has them")
    return found


def _row(record: Record) -> dict[str, Any]:
    return {
        "id": str(record.revision),
        "entry": record.id,
        "at": datetime.fromtimestamp(record.at, UTC).isoformat(timespec="seconds"),
        "by": record.by,
        "origin": record.origin,
        "what": record.what,
        "verdict": record.verdict,
    }


def _keys(old: Image, new: Image) -> list[dict[str, Any]]:
    """What differs between two images of a row: secrets as stars, but told when they differ."""
    before, after = _flat(old), _flat(new)
    hidden = _hidden(old, before) | _hidden(new, after)
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return [
        {"key": key, "old": _told(before.get(key), key in hidden), "new": _told(after.get(key), key in hidden)}
        for key in keys
    ]


def _flat(image: Image) -> dict[str, Any]:
    """The values of a row; of an object those of its body."""
    row = image["row"] or {}
    values = row.get("body", {}) if image["table"] == "object" else row
    return {key: value for key, value in values.items() if key not in image["key"]}


def _hidden(image: Image, values: dict[str, Any]) -> set[str]:
    """The keys whose values are secret: those that `audit.masked` replaces."""
    shown = _flat(audit.masked(image))
    return {key for key, value in values.items() if shown.get(key) != value}


def _told(value: Any, hidden: bool) -> Any:
    return STARS if hidden and value else value


HANDLERS: Final[dict[type[Request], Command]] = {
    AuditList: Command(listed, VIEWER),
    AuditShow: Command(show, VIEWER),
    AuditRevert: Command(take_back, OPERATOR),
}
