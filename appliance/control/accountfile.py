"""Import of accounts: CSV `address,password-or-hash`, every wrong line named, nothing done while there is one.

The first comma separates, so that hashes with commas need no quotes; a quoted cell is CSV's (RFC 4180). Passwords in
clear are hashed here (20 ms each) and must never be repeated in a message. What was written before a full disk or a
kill stays; running the import again finishes it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Generator, Iterator
from itertools import islice
from typing import BinaryIO, Final, NamedTuple

import msgspec

from appliance.cluster.log import Op, put
from appliance.control.api import Done, Progress, Refused, Reply
from appliance.control.api.accounts import AccountImport
from appliance.control.formats.lines import Block, Wrong, blocks, text
from appliance.control.node import By, Node
from appliance.control.sentfile import sent
from appliance.routing import names, passwords
from appliance.routing.schemes import UnknownScheme
from db import accounts
from db.accounts import Account
from db.objects import Objects

LONGEST: Final = 64 * 1024 * 1024  # octets of a file: all its lines are held until the last one is known to be right
BATCH: Final = 500  # accounts of one log entry
NAMED: Final = 1000  # wrong lines that are named; those beyond are counted

_HASH: Final = re.compile(r"\$[A-Za-z0-9-]+\$|pbkdf2_sha256\$|\{[A-Za-z0-9.-]+\}")
_CLEAR: Final = re.compile(r"\{(?:PLAIN|CLEARTEXT)\}", re.IGNORECASE)


class Line(NamedTuple):
    """One account of the file: a hash, or (`clear`) a password."""

    number: int
    given: str
    clear: bool


class Report(msgspec.Struct):
    """What an import found and did. read = new + changed + same + errors_total."""

    read: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    errors: list[Wrong] = []
    errors_total: int = 0


def address_of(objects: Objects, typed: str) -> str:
    """The address of an account, in the one form that log-ins are looked up by. Raises Refused."""
    site = objects.get("site")
    rules = names.rules(site["default_domain"], site["recipient_delimiter"], site["aliases"])
    name = rules.normalise(typed)
    if name is None:
        raise Refused(f"{typed[:80]!r} is no address")
    return name.folded().whole


def run(node: Node, by: By, request: AccountImport, file: BinaryIO | None) -> Iterator[Reply]:
    """The handler of AccountImport. Raises Refused."""
    with sent(node.home, request.file, file, "account import") as source:
        yield from _run(node, by, source)


def _run(node: Node, by: By, file: BinaryIO) -> Iterator[Reply]:
    report = Report()
    found = yield from _read(node.objects(), file, report)
    if report.errors_total:
        lines = "1 line is wrong" if report.errors_total == 1 else f"{report.errors_total:,} lines are wrong"
        first = report.errors[0]
        raise Refused(f"{lines}, nothing was imported; line {first.line:,}: {first.text}", value=report)
    yield from _write(node, by, found, report)
    yield Done(report, node.publish())


# --- reading -------------------------------------------------------------------------------------------------------


def _read(objects: Objects, file: BinaryIO, report: Report) -> Generator[Progress, None, dict[str, Line]]:
    found: dict[str, Line] = {}
    wrong: list[Wrong] = []
    for block in blocks(file):
        if block.done > LONGEST:
            raise Refused(f"the file is longer than {LONGEST // 1024 // 1024} MiB: import it in parts")
        for number, line in _lines(block, wrong):
            report.read += 1
            try:
                _add(objects, found, number, line)
            except (ValueError, Refused) as error:
                wrong.append(Wrong(number, str(error)))
        yield Progress("reading", block.done, 0)
    report.errors_total = len(wrong)
    report.errors = sorted(wrong, key=lambda one: one.line)[:NAMED]
    return found


def _lines(block: Block, wrong: list[Wrong]) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers; a header is none."""
    for number, line in enumerate(text(block, wrong), block.first):
        line = line.removeprefix("\ufeff") if number == 1 else line
        header = number == 1 and line.partition(",")[0].strip().lower() == "address"
        if line.strip() and not header:
            yield number, line


def _add(objects: Objects, found: dict[str, Line], number: int, line: str) -> None:
    typed, given = _cells(line)
    address = address_of(objects, typed)
    if address in found and found[address].given != given:
        raise ValueError(f"{address} has another password in line {found[address].number}")
    clear = _CLEAR.match(given)
    if clear is None and _HASH.match(given):
        if not passwords.is_known(given):
            raise ValueError("its password hash is damaged, or of a scheme that is not known")
        found[address] = Line(number, given, False)
        return
    word = given[clear.end() :] if clear else given
    if not word or len(word.encode()) > passwords.LONGEST:
        raise ValueError("has no password" if not word else f"its password is longer than {passwords.LONGEST} octets")
    found[address] = Line(number, word, True)


def _cells(line: str) -> tuple[str, str]:
    if '"' not in line.partition(",")[0] and not line.partition(",")[2].lstrip().startswith('"'):
        address, comma, given = line.partition(",")
    else:
        try:
            address, given = next(csv.reader([line], strict=True, skipinitialspace=True))
        except (csv.Error, ValueError):
            raise ValueError("is not address,password") from None
        comma = ","
    if not comma:
        raise ValueError("is not address,password")
    return address, given


# --- writing -------------------------------------------------------------------------------------------------------


def _write(node: Node, by: By, found: dict[str, Line], report: Report) -> Iterator[Progress]:
    lines = iter(found.items())
    done = 0
    while batch := list(islice(lines, BATCH)):
        ops = []
        for address, line in batch:
            ops += _ops(accounts.get(node.reader(), address), address, line, report)
            done += 1
            yield Progress("writing", done, len(found))
        if ops:
            entry = node.entry(by, f"account import: {len(ops)} accounts", ops=ops)
            _refuse_conflict(node.submit([entry])[0].conflict, done)
    report.same += report.read - report.new - report.changed - report.same  # the same line twice


def _ops(stored: Account | None, address: str, line: Line, report: Report) -> list[Op]:
    if stored is None:
        report.new += 1
    elif _is_same(stored.password, line):
        report.same += 1
        return []
    else:
        report.changed += 1
    hashed = passwords.hash(line.given.encode()) if line.clear else line.given
    row = {"address": address, "password": hashed, "state": stored.state if stored else "on"}
    return [put("account", row, ("address",), stored.rev if stored else 0)]


def _is_same(stored: str, line: Line) -> bool:
    if not line.clear:
        return stored == line.given
    try:
        return passwords.verify(stored, line.given.encode()) and not passwords.needs_rehash(stored)
    except UnknownScheme:
        return False


def _refuse_conflict(conflict: str, done: int) -> None:
    if conflict:
        raise Refused(f"stopped before account {done:,}: {conflict}; run the import again")
