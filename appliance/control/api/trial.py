"""Changes on trial: made now, taken back by the node itself unless somebody who can still reach it says "keep"."""

from __future__ import annotations

from typing import Any

from appliance.control.api import Request


class Try(Request, frozen=True, tag="try"):
    """Carry out `request` (as its JSON object) and take it back after `seconds`, unless kept. One at a time.

    Value: {id, until, done}: done is the value of the request's own answer. Refused if it changes nothing that can be
    taken back. A node that restarts meanwhile still takes it back in time.
    """

    request: dict[str, Any]
    seconds: float = 60.0

    def __repr__(self) -> str:
        return f"Try({self.request.get('do')!r}, {self.seconds:g})"


class Keep(Request, frozen=True, tag="config keep"):
    """The change on trial stays. Refused if there is none, or another one."""

    id: str = ""


class GiveUp(Request, frozen=True, tag="config give-up"):
    """Take the change on trial back now. Refused if there is none."""
