"""What administrators sent by scp or SFTP (appliance/drop.py): listed, read, deleted.

Must never open anything by a path that came with a request: names only, of files in HOME/drop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from appliance.control.api import Done, Refused, Request
from appliance.control.api.uploads import ConsoleUploaded, ConsoleUploads, ConsoleUploadText
from appliance.control.commands import OPERATOR, VIEWER, By, Command, Node
from appliance.drop import Drop, Unfit
from appliance.home import Home

LONGEST: Final = 4 * 1024 * 1024  # octets of a text


def listed(node: Node, by: By, request: ConsoleUploads, file: BinaryIO | None) -> Done:
    """All."""
    with _drop(node.home) as drop:
        rows = [{"name": one.name, "by": one.by, "size": one.size, "at": one.at} for one in drop.uploads()]
    return Done(rows)


def one(node: Node, by: By, request: ConsoleUploaded, file: BinaryIO | None) -> Done:
    """One, or its end."""
    with _drop(node.home) as drop:
        found = drop.upload(request.name)
        if request.remove:
            drop.remove(request.name)
    return Done({"name": found.name, "size": found.size})


def text(node: Node, by: By, request: ConsoleUploadText, file: BinaryIO | None) -> Done:
    """What it says."""
    with _drop(node.home) as drop, drop.opened(request.name) as source:
        octets = source.read(LONGEST + 1)
    if len(octets) > LONGEST:
        raise Refused(f"upload {request.name} has more than {LONGEST // 1024**2} MiB")
    try:
        return Done({"name": request.name, "text": octets.decode()})
    except UnicodeDecodeError:
        raise Refused(f"upload {request.name} is no text (UTF-8)") from None


@contextmanager
def _drop(home: Home) -> Iterator[Drop]:
    """The folder; what is wrong with it, in a sentence."""
    try:
        yield Drop(home.drop)
    except Unfit as unfit:
        raise Refused(str(unfit)) from unfit
    except FileNotFoundError as error:
        raise Refused(f"{error.filename} is missing; `postern init` makes what is missing") from error


HANDLERS: Final[dict[type[Request], Command]] = {
    ConsoleUploads: Command(listed, VIEWER),
    ConsoleUploaded: Command(one, OPERATOR),
    ConsoleUploadText: Command(text, OPERATOR),
}
