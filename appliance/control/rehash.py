"""Passwords whose hash is of an old scheme: a worker that saw the right one offers a new hash, which is kept here.

Must never change an account that was changed meanwhile: the old hash must still be there. A worker speaks with
strangers: it can hand in nothing but a hash of today's scheme for one that is not.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from appliance.cluster.log import Op, put
from appliance.control.api import Refused
from appliance.control.node import By, Node
from appliance.messages import RehashWanted
from appliance.routing import passwords
from db import accounts

WORKER = By("postern", "log-in with an old hash")

log = logging.getLogger("postern.control")


def rehash(node: Node, wanted: Sequence[RehashWanted]) -> int:
    """Keep the new hashes, in one change. Returns how many; what cannot be done now is offered again at a log-in."""
    newest = {one.address: one for one in wanted}
    ops = [op for one in newest.values() if (op := _op(node, one)) is not None]
    if not ops:
        return 0
    try:
        node.change(WORKER, f"rehash {len(ops)} password{'s' * (len(ops) > 1)}", ops)
    except Refused as refused:
        log.warning("hashes of an old scheme stay: %s", refused.text)
        return 0
    finally:
        node.close_reader()
    return len(ops)


def _op(node: Node, one: RehashWanted) -> Op | None:
    account = accounts.get(node.reader(), one.address)
    if account is None or account.password != one.old or not passwords.needs_rehash(one.old):
        return None
    if passwords.needs_rehash(one.new) or not passwords.is_known(one.new):
        return None
    row = {"address": account.address, "password": one.new, "state": account.state}
    return put("account", row, ("address",), account.rev)
