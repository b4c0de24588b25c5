"""The control socket's language: typed requests, replies and events, as JSON lines over HOME/control.sock.

A request is one line, its `do` names it. The answer is any number of `Progress` and `Event` lines, then exactly one
`Done` or `Failed`. A request that carries a file (an import, a backup) sends its descriptor by SCM_RIGHTS with
the line. Nothing here knows how a request is carried out; each lives in control/commands/.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Request(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    """Anything that can be asked. Subclasses set `tag` to the command's words: "map import"."""


class Done(msgspec.Struct, frozen=True, tag="done", tag_field="is"):
    """It happened, or: here it is. `value` has the stable keys that --json prints."""

    value: Any = None
    note: str = ""


class Failed(msgspec.Struct, frozen=True, tag="failed", tag_field="is"):
    """It did not happen. `status` is the exit status: 1 refused or not found, 2 wrong usage, 3 not known yet."""

    text: str
    status: int = 1
    value: Any = None


class Progress(msgspec.Struct, frozen=True, tag="progress", tag_field="is"):
    """Long work goes on: `done` of `total` (0 = not known) in the phase named."""

    phase: str
    done: int
    total: int


class Event(msgspec.Struct, frozen=True, tag="event", tag_field="is"):
    """One item of a stream (`log tail`)."""

    value: Any


Reply = Done | Failed | Progress | Event


class Refused(Exception):  # noqa: N818 - the field's word for it
    """Raised by a handler that will not or cannot, and by the client that is told so: becomes, and came of, Failed."""

    def __init__(self, text: str, status: int = 1, value: Any = None) -> None:
        super().__init__(text)
        self.text, self.status, self.value = text, status, value
