"""`u` - the last change taken back: one's own, else the newest; shown first, then asked.

The node refuses where a later change touched the same. Must never take back anything unseen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.control.api.audit import AuditList, AuditRevert, AuditShow
from tui.place import PlaceScreen
from tui.words import plain

LINES: Final = 8  # of a difference
REVERT: Final = "audit revert "  # how the audit calls what took another change back


async def undo(screen: PlaceScreen) -> None:
    """Ask, and do it."""
    listed = await screen.ask(AuditList(limit=50))
    if listed is None:
        return
    change = _newest(listed.value, screen.console.who)
    if change is None:
        screen.console.complain("nothing was changed yet")
        return
    shown = await screen.ask(AuditShow(change["id"]))
    if shown is None:
        return
    whose = "your last change" if change["by"] == screen.console.who else f"the newest change, by {change['by']}"
    await screen.act(
        AuditRevert(change["id"]),
        f"postern audit revert {change['id']}",
        f"Undo {whose}: {change['what']}?",
        difference(shown.value["changes"], back=True),
    )


def _newest(changes: Sequence[Mapping[str, Any]], who: str) -> Mapping[str, Any] | None:
    """The newest of one's own that took effect and was not taken back yet, else of anybody's."""
    standing, taken_back = [], set()
    for change in changes:
        if change["verdict"] != "done":
            continue
        if change["what"].startswith(REVERT):
            taken_back.add(change["what"].removeprefix(REVERT).partition(":")[0])
        elif change["id"] not in taken_back:
            standing.append(change)
    return next((change for change in standing if change["by"] == who), standing[0] if standing else None)


def difference(changes: Sequence[Mapping[str, Any]], back: bool = False) -> list[str]:
    """What a change did, a line for each value; `back`: what taking it back would do."""
    lines = []
    for change in changes:
        key = change["key"]
        of = plain(" ".join(str(part) for part in (key.values() if isinstance(key, Mapping) else [key]) if part))
        for one in change["keys"]:
            old, new = (one["new"], one["old"]) if back else (one["old"], one["new"])
            lines.append(f"{of}: {plain(one['key'])} {_shown(old)} → {_shown(new)}")
    more = len(lines) - LINES
    return [*lines[:LINES], f"and {more} more"] if more > 0 else lines


def _shown(value: Any) -> str:
    return "none" if value in (None, "", []) else plain(value, 60)
