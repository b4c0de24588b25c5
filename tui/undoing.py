"""Taking back the last import of a map, from whichever screen: what comes back, what goes, and whether sessions end."""

from __future__ import annotations

import time

from appliance.control.api import Done
from appliance.control.api.maps import MapShow, MapUndo
from tui.listing import Listing, command
from tui.words import many


async def undo_import(screen: Listing, name: str) -> Done | None:
    """Ask, then go back. For workers. None: it was left, or refused."""
    shown = await screen.ask(MapShow(name))
    if shown is None:
        return None
    undo, now = shown.value.get("undo"), shown.value["entries"] or 0
    if not undo:
        screen.console.complain(f"map {name} has nothing to go back to: an import can be undone for 7 days")
        return None
    choices = (
        ("", "Leave all as it is"),
        ("back", "Go back; open sessions go on until they end"),
        ("end", "Go back; end the sessions of who moves by it"),
    )
    effect = (
        f"now {many(now, 'entry', 'entries')}, then {many(undo['entries'], 'entry', 'entries')}",
        "single entries that were changed since the import go too",
        f"undone once more, until {until(undo['until'])}, it is as now",
    )
    typed = command("map", "undo", name)
    question = f"Put the entries of {name} from before its last import back?"
    picked = await screen.choose(question, choices, effect=effect, command=typed)
    if not picked:
        return None
    ends = picked == "end"
    return await screen.act(MapUndo(name, ends), f"{typed} --end-sessions" if ends else typed)


def until(moment: float) -> str:
    """A moment within days, as people say it."""
    return time.strftime("%a %d %b %H:%M", time.localtime(moment))
