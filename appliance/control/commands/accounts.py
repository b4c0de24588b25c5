"""Internal accounts: addresses, hashes of passwords, on or off. Their import: appliance/control/accountfile.py.

A password is hashed here and then forgotten; it must never reach an entry of the log, an answer or a message.
"""

from __future__ import annotations

from typing import BinaryIO, Final

from appliance.cluster.log import Op, put
from appliance.control import accountfile
from appliance.control.api import Done, Refused, Request
from appliance.control.api.accounts import (
    AccountAdd,
    AccountDisable,
    AccountEnable,
    AccountImport,
    AccountList,
    AccountPassword,
    AccountRemove,
)
from appliance.control.commands import OPERATOR, VIEWER, By, Command, Node, bounded
from appliance.routing import passwords
from db import accounts
from db.accounts import Account


def listed(node: Node, by: By, request: AccountList, file: BinaryIO | None) -> Done:
    """A page of them."""
    limit = bounded(request.limit, 10_000)
    found = accounts.page(node.reader(), prefix=request.prefix, after=request.after, limit=limit)
    return Done([{"address": one.address, "state": one.state, "scheme": scheme(one.password)} for one in found])


def add(node: Node, by: By, request: AccountAdd, file: BinaryIO | None) -> Done:
    """A new one."""
    address = accountfile.address_of(node.objects(), request.address)
    if accounts.get(node.reader(), address) is not None:
        raise Refused(f"there is an account {address} already; `postern account password` changes its password")
    return _store(node, by, "add", Account(address, _hashed(request.password), "on", 0))


def password(node: Node, by: By, request: AccountPassword, file: BinaryIO | None) -> Done:
    """Another password. Successful log-ins remembered by the old one are forgotten with its hash."""
    found = _existing(node, request.address)
    return _store(node, by, "password", Account(found.address, _hashed(request.password), found.state, found.rev))


def disable(node: Node, by: By, request: AccountDisable, file: BinaryIO | None) -> Done:
    """Off, and its sessions too."""
    found = _existing(node, request.address)
    done = _store(node, by, "disable", Account(found.address, found.password, "off", found.rev))
    return _ended(node, found.address, done)


def enable(node: Node, by: By, request: AccountEnable, file: BinaryIO | None) -> Done:
    """On again."""
    found = _existing(node, request.address)
    return _store(node, by, "enable", Account(found.address, found.password, "on", found.rev))


def remove(node: Node, by: By, request: AccountRemove, file: BinaryIO | None) -> Done:
    """Gone, and its sessions too."""
    found = _existing(node, request.address)
    gone = Op("account", {"address": found.address}, None, found.rev)
    return _ended(node, found.address, node.change(by, f"account remove {found.address}", [gone]))


def scheme(stored: str) -> str:
    """What a hash is of: the word that it begins with."""
    if stored.startswith("{"):
        return stored[1:].partition("}")[0]
    return stored.removeprefix("$").partition("$")[0]


def _existing(node: Node, typed: str) -> Account:
    address = accountfile.address_of(node.objects(), typed)
    found = accounts.get(node.reader(), address)
    if found is None:
        raise Refused(f"there is no account {address}")
    return found


def _hashed(clear: str) -> str:
    if not clear:
        raise Refused("an account needs a password")
    if len(clear.encode()) > passwords.LONGEST:
        raise Refused(f"a password has at most {passwords.LONGEST} octets")
    return passwords.hash(clear.encode())


def _store(node: Node, by: By, verb: str, new: Account) -> Done:
    row = {"address": new.address, "password": new.password, "state": new.state}
    done = node.change(by, f"account {verb} {new.address}", [put("account", row, ("address",), new.rev)])
    return Done({"address": new.address, "state": new.state, **done.value}, done.note)


def _ended(node: Node, address: str, done: Done) -> Done:
    """The same answer, once the sessions of the account have been told to end."""
    if node.hub is None:
        return Done({**done.value, "ended": 0}, done.note)
    ended, silent = node.hub.kick(user=address)
    missing = f"no answer from {', '.join(silent)}" if silent else ""
    return Done({**done.value, "ended": ended}, "; ".join(filter(None, (done.note, missing))))


HANDLERS: Final[dict[type[Request], Command]] = {
    AccountList: Command(listed, VIEWER),
    AccountAdd: Command(add, OPERATOR),
    AccountPassword: Command(password, OPERATOR),
    AccountDisable: Command(disable, OPERATOR),
    AccountEnable: Command(enable, OPERATOR),
    AccountRemove: Command(remove, OPERATOR),
    AccountImport: Command(accountfile.run, OPERATOR),
}
