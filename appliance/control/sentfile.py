"""The file that a request speaks of: what came with it, or what was sent by scp before (upload:NAME)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from appliance.control.api import Refused
from appliance.drop import UPLOAD, Drop, Unfit
from appliance.home import Home


@contextmanager
def sent(home: Home, name: str, file: BinaryIO | None, what: str) -> Iterator[BinaryIO]:
    """To read; an upload is closed behind it, and stays. Raises Refused, OSError."""
    if file is not None:
        yield file
        return
    if not name.startswith(UPLOAD):
        raise Refused(f"{what} needs a file", 2)
    try:
        source = Drop(home.drop).opened(name.removeprefix(UPLOAD))
    except Unfit as unfit:
        raise Refused(str(unfit)) from unfit
    with source:
        yield source
