"""A mail store in words: what is configured, with what the watch says of it; and the question before a drain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appliance.control.api.backends import BackendDrain
from tui.listing import Listing, command
from tui.widgets.rows import Row
from tui.words import many, service, since

PROTOCOLS: Final = ("imap", "pop3", "sieve", "smtp", "lmtp")


def merged(one: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """A row of BackendList, or the answer to BackendShow, with what the topic `overview` told last."""
    watched = facts.get("overview", {}).get("backends", [])
    told: Mapping[str, Any] = next((of for of in watched if of["name"] == one["name"]), {})
    address = next((f"{service(of)} {one[of]}" for of in PROTOCOLS if one.get(of)), "")
    tls = "" if one["tls"] == "none" else f", {one['tls']}"
    row = {
        **one,
        "sessions": told.get("sessions", one["sessions"]),
        "users": told.get("users"),
        "answers_ms": told.get("answers_ms"),
        "health": one["health"] if told.get("state", "drain") == "drain" else told["state"],
        "reason": told.get("reason") or one["reason"],
        "address": address + tls,
    }
    return {**row, "words": in_words(row, told.get("since"))}


def in_words(row: Mapping[str, Any], moment: float | None) -> str:
    """State and health, with how long it has been so."""
    ago = f", {since(moment)}" if moment else ""
    if row["state"] == "drain":
        down = ", and is down" if row["health"] == "down" else ""
        return f"◇ drains{ago}{down}"
    words = {"up": "up", "down": f"▲ down{ago}", "partly": f"▲ partly down{ago}", "slow": f"▲ slow{ago}"}
    return words.get(row["health"], "not known yet")


def state_colour(row: Row) -> str:
    """Of the words."""
    if row["health"] == "down":
        return "error"
    return "warning" if row["state"] == "drain" or row["health"] in ("partly", "slow") else ""


async def drain(screen: Listing, row: Row) -> None:
    """Ask, then drain. For workers."""
    name = row["name"]
    effect = [f"{many(row['sessions'], 'open session goes', 'open sessions go')} on; here you see how many are left."]
    if row["users"]:
        who = many(row["users"], "person lives there and", "people live there and")
        standby = row.get("standby")
        then = f"log in at {standby} meanwhile" if standby else "cannot log in anew until it is enabled"
        effect.append(f"{who} {then}.")
    await screen.act(BackendDrain(name), command("backend", "drain", name), f"Drain {name}?", effect)
