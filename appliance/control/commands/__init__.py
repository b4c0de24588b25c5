"""How requests are carried out: each module here has the handlers of the module of control/api of the same name.

A handler is a plain function that runs in a thread of the controller, or in the process of a command while no node
runs. It answers with one reply, or is a generator: any number of Progress and Event, then Done. It refuses by
raising Refused. Each module has a table HANDLERS: request to Command(handler, the least role that may ask it).
"""

from __future__ import annotations

import logging
import pkgutil
import sqlite3
import traceback
from collections.abc import Callable, Generator, Iterator
from functools import cache
from importlib import import_module
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from appliance.control.api import Done, Failed, Refused, Reply, Request
from appliance.control.node import By, Node

Handler = Callable[[Node, By, Any, BinaryIO | None], Iterator[Reply] | Reply]

VIEWER: Final = "viewer"  # may look
OPERATOR: Final = "operator"  # may run the node and change its data
OWNER: Final = "owner"  # may change administrators, policy, cluster, and anything else
ROLES: Final = (VIEWER, OPERATOR, OWNER)
LETS_IN: Final = "console"  # not a rank: the console's SSH server, and whoever owns the machine

# What an administrator who has yet to give a code may ask.
_AT_THE_DOOR: Final = frozenset({"console who", "console code", "console open"})

log = logging.getLogger("postern.control")


class Command(NamedTuple):
    """One request's handler, and the least role that may ask it."""

    run: Handler
    role: str = OPERATOR


def bounded(limit: int, most: int) -> int:
    """How many rows of a page to read: SQLite takes a negative limit for none at all."""
    return max(0, min(limit, most))


@cache
def _of_module(name: str) -> dict[type[Request], Command]:
    table: dict[type[Request], Command] = import_module(f"{__name__}.{name}").HANDLERS
    return table


def command_of(request: type[Request]) -> Command:
    """Loads only the module that has it: commands start fast. Raises KeyError for a request nobody handles."""
    return _of_module(request.__module__.rpartition(".")[2])[request]


@cache
def all_handlers() -> dict[type[Request], Command]:
    """Every request this release knows."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return {request: command for name in names for request, command in _of_module(name).items()}


@cache
def request_decoder() -> msgspec.json.Decoder[Request]:
    """Decodes one line to a request of any kind. Raises msgspec.DecodeError."""
    kinds: Any = None
    for kind in all_handlers():
        kinds = kind if kinds is None else kinds | kind
    return msgspec.json.Decoder(kinds)


def answer(node: Node, by: By, request: Request, file: BinaryIO | None = None) -> Generator[Reply, None, None]:
    """Carry out a request: its Progress and Events, then exactly one Done or Failed. Close it to give up midway."""
    try:
        command = command_of(type(request))
        if refusal := _not_permitted(by, request, command):
            yield Failed(refusal)
            return
        replies = command.run(node, by, request, file)
        if isinstance(replies, Iterator):
            yield from replies
        else:
            yield replies
    except Refused as refused:
        yield Failed(refused.text, refused.status, refused.value)
    except Exception as error:  # noqa: BLE001 - the one place that catches bugs of handlers: the node must go on
        failed = _is_of_the_machine(error)
        where = traceback_without_values(error)
        log.error("%s in %s: %s", "failure" if failed else "bug", type(request).__name__, where)
        internal = f"internal error ({type(error).__name__}); the node's log says where"
        yield Failed(f"not done: {node.home.path}: {getattr(error, 'strerror', '') or error}" if failed else internal)


def _not_permitted(by: By, request: Request, command: Command) -> str:
    """Why this one may not ask that; empty if he may."""
    if command.role == LETS_IN:
        return "" if by.lets_in and by.entered is None else "only the console's SSH server may ask this"
    if by.party is not None and by.lets_in and request.__struct_config__.tag == "console open":
        return ""
    if by.role not in ROLES or ROLES.index(by.role) < ROLES.index(command.role):
        return f"this needs the role {command.role}; {by.name} is {by.role}"
    if by.entered is not None and by.entered.locked and request.__struct_config__.tag not in _AT_THE_DOOR:
        return "this console is locked: give the code first"
    return ""


def _is_of_the_machine(error: Exception) -> bool:
    """Whether a disk is full or failing, or a database damaged: no handler's fault."""
    if isinstance(error, sqlite3.DatabaseError):
        return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF != sqlite3.SQLITE_ERROR
    return isinstance(error, OSError) and not isinstance(error, TimeoutError)


def traceback_without_values(bug: BaseException) -> str:
    """Where a bug happened, in one line. Messages of exceptions that quote what they choked on are left out."""
    quotes = isinstance(bug, ValueError | LookupError)
    what = type(bug).__name__ if quotes else f"{type(bug).__name__}: {bug}"
    frames = traceback.extract_tb(bug.__traceback__)
    return " < ".join([what, *(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))])


__all__ = [
    "LETS_IN",
    "OPERATOR",
    "OWNER",
    "VIEWER",
    "By",
    "Command",
    "Done",
    "Failed",
    "Handler",
    "Node",
    "Refused",
    "Reply",
    "all_handlers",
    "answer",
    "bounded",
    "command_of",
    "request_decoder",
]
