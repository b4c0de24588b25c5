"""Who may change administrators, and that there is always an owner among them once there was one."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.cluster.log import Op, put
from appliance.control.api import Refused
from appliance.control.commands import OWNER, By, Node
from db import admins
from db.admins import Admin


def guard(node: Node, by: By, ops: Sequence[Op]) -> list[Op]:
    """The same ops, fit to be one change; those on administrators only by an owner. Raises Refused.

    Where an owner goes, another's row is written as it is, too: of two changes at a time that would leave nobody, the
    second conflicts, on whatever node it is made.
    """
    mine = [op for op in ops if op.table == "admin"]
    if not mine:
        return list(ops)
    if by.role != OWNER:
        raise Refused(f"only an owner changes administrators; {by.name} is {by.role}")
    touched = {op.key["name"]: op.row for op in mine}
    before = [one for one in admins.all(node.reader()) if one.role == OWNER]
    going = [one.name for one in before if one.name in touched and not _is_owner(touched[one.name])]
    if not going or any(_is_owner(row) for row in touched.values()):
        return list(ops)
    staying = [one for one in before if one.name not in touched]
    if not staying:
        raise Refused(f"{going[0]} is the last owner: make another one first, by `postern admin role NAME owner`")
    return [*ops, stored(staying[0])]


def stored(admin: Admin) -> Op:
    """The op that writes this administrator, on the revision that was read."""
    return put("admin", admin.row(), ("name",), admin.rev)


def _is_owner(row: dict[str, object] | None) -> bool:
    return row is not None and row["role"] == OWNER
