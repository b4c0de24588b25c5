"""The console's door, as its SSH server asks for it, and what a console asks about itself.

Must never say why somebody is not let in. Failed tries are counted by client address; too many are a ban, of the
console alone.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import BinaryIO, Final

from appliance.cluster.log import put
from appliance.control import sshkeys
from appliance.control.api import Done, Refused, Request
from appliance.control.api.console import (
    BY_KEY,
    WAYS_IN,
    ConsoleAddress,
    ConsoleCode,
    ConsoleEnter,
    ConsoleKey,
    ConsoleOpen,
    ConsolePassword,
    ConsoleWho,
)
from appliance.control.commands import LETS_IN, VIEWER, By, Command, Node
from appliance.control.doorkeeper import MOST
from appliance.control.editing import opened
from appliance.control.entered import TRIES, Entered, Party
from appliance.routing.networks import client_key, parse
from appliance.routing.schemes import UnknownScheme
from db import admins, bans
from db.admins import Admin

BAN_SECONDS: Final = 3600.0
LONGEST: Final = 64  # characters of a client address that are looked at
GUARD: Final = By("postern", "console")

log = logging.getLogger("postern.control")


def key(node: Node, by: By, request: ConsoleKey, file: BinaryIO | None) -> Done:
    """Whether it is one of the administrator's."""
    found = admins.get(node.reader(), request.name)
    allowed = found is not None and any(sshkeys.same(one["key"], request.key) for one in found.keys)
    return Done({"allowed": allowed, "totp": bool(allowed and found and found.totp)})


def password(node: Node, by: By, request: ConsolePassword, file: BinaryIO | None) -> Done:
    """Whether password and code are right; all is computed whatever is wrong."""
    found = admins.get(node.reader(), request.name)
    secret = _secret(node, found)
    knows = _knows_password(node, found, request.password)
    wanted = found is not None and bool(found.totp)
    code = node.door.knows_code(found, secret, request.code, used=knows)
    allowed = knows and (code or not wanted)
    client = request.client[:LONGEST]
    if not allowed:
        _failed(node, client, 1)
    return Done({"allowed": allowed})


def address(node: Node, by: By, request: ConsoleAddress, file: BinaryIO | None) -> Done:
    """Whether, and how soon."""
    client = request.client[:LONGEST]
    if request.failed > 0:
        _failed(node, client, request.failed)
    return Done({"allowed": node.door.is_open(node.reader(), client), "delay": node.door.keeper.delay(client)})


def enter(node: Node, by: By, request: ConsoleEnter, file: BinaryIO | None) -> Done:
    """Begin a conversation with this administrator."""
    if request.by not in WAYS_IN:
        raise Refused(f"an administrator comes in by one of: {', '.join(WAYS_IN)}", 2)
    role = admins.role(node.reader(), request.name)
    if not role:
        raise Refused(f"there is no administrator {request.name[:80]!r}")
    client = request.client[:LONGEST]
    entered = Entered(request.name, client, request.locked, by_key=request.by == BY_KEY)
    _converse(node, entered, file)
    if not entered.locked:
        node.door.came_in(entered)
    return Done({"role": role})


def open_one(node: Node, by: By, request: ConsoleOpen, file: BinaryIO | None) -> Done:
    """One more conversation."""
    party = by.entered or (by.party if by.lets_in else None)
    if party is None:
        raise Refused("only the console and whom it let in ask this: connect to the control socket")
    _converse(node, party, file)
    return Done({})


def who(node: Node, by: By, request: ConsoleWho, file: BinaryIO | None) -> Done:
    """Who asks."""
    found = admins.get(node.reader(), by.name) if by.entered is not None else None
    return Done({
        "name": by.name,
        "role": by.role,
        "node": node.name,
        "locked": by.entered is not None and by.entered.locked,
        "password": bool(found and found.password),
        "totp": bool(found and found.totp),
    })  # fmt: skip


def code(node: Node, by: By, request: ConsoleCode, file: BinaryIO | None) -> Done:
    """Whether it is the right one."""
    entered, found = by.entered, admins.get(node.reader(), by.name)
    if entered is None or found is None or not (found.totp or found.password):
        raise Refused("there is neither a code nor a password to unlock this with: leave, and open the console again")
    if found.totp:
        right = node.door.knows_code(found, _secret(node, found), request.code)
    else:
        right = _knows_password(node, found, request.code)
    was_locked = entered.locked
    entered.tried(right)
    if not right:
        _failed(node, entered.client, 1)
        raise Refused(f"that was wrong {TRIES} times: the console ends" if entered.over else "that is not right")
    if was_locked:
        node.door.came_in(entered)
    return Done({})


def _converse(node: Node, party: Party, file: BinaryIO | None) -> None:
    if node.consoles is None:
        raise Refused("the node does not run")
    link = _stream(file)
    try:
        node.consoles.converse(party, link)
    except BaseException:  # raised on: nobody else would close it
        link.close()
        raise


def _stream(file: BinaryIO | None) -> socket.socket:
    """The socket that came with the request, as one of our own."""
    try:
        link = socket.socket(fileno=os.dup(file.fileno())) if file is not None else None
    except OSError:
        link = None
    if link is not None and (link.family, link.type) == (socket.AF_UNIX, socket.SOCK_STREAM):
        link.setblocking(True)
        return link
    if link is not None:
        link.close()
    raise Refused("one end of a Unix stream socket pair must come with this request", 2)


def _secret(node: Node, found: Admin | None) -> str:
    return opened(node.vault, found.totp) if found is not None and found.totp else ""


def _knows_password(node: Node, found: Admin | None, given: str) -> bool:
    try:
        return node.door.knows_password(found, given)
    except UnknownScheme as error:
        raise Refused(f"the stored password cannot be used: {error}") from error


def _failed(node: Node, client: str, tries: int) -> None:
    """Count; ban whoever has failed too often, unless a key lets people in from there."""
    door = node.door
    if not door.failed(client, tries) or door.is_trusted(client):
        return
    try:
        parse(client)
    except ValueError:
        return  # no address: nothing that could be banned
    subject = client_key(client)
    known = bans.get(node.reader(), "console", subject)
    reason = f"{MOST} failed log-ins to the console within an hour"
    row = {"scope": "console", "subject": subject, "until": time.time() + BAN_SECONDS, "reason": reason}
    op = put("ban", row, ("scope", "subject"), known.rev if known else 0)
    try:
        node.change(GUARD, f"ban {subject} from the console", [op])
    except Refused as refused:
        log.error("console: %s is not banned after %d failed log-ins: %s", subject, MOST, refused.text)
        return
    door.keeper.forget(client)
    log.warning("console: %s is banned for an hour after %d failed log-ins", subject, MOST)


HANDLERS: Final[dict[type[Request], Command]] = {
    ConsoleKey: Command(key, LETS_IN),
    ConsolePassword: Command(password, LETS_IN),
    ConsoleAddress: Command(address, LETS_IN),
    ConsoleEnter: Command(enter, LETS_IN),
    ConsoleOpen: Command(open_one, VIEWER),
    ConsoleWho: Command(who, VIEWER),
    ConsoleCode: Command(code, VIEWER),
}
