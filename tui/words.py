"""How values read on screen: sizes, ages, times, and text that somebody else made up.

Must never let a peer's text reach the terminal as it is: no control, no direction mark, no line end (CWE-150).
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

_BARS: Final = "▁▂▃▄▅▆▇█"
SERVICES: Final = {
    "imap": "IMAP", "pop3": "POP3", "sieve": "Sieve", "smtp": "SMTP in", "submission": "Submission",
    "lmtp": "LMTP", "webmail": "Web mail", "console": "Console",
}  # fmt: skip
REFUSED: Final = {
    "bad-credentials": "wrong password", "unknown-here": "in no map", "disabled": "account disabled",
    "banned": "banned", "not-permitted": "not permitted", "expired": "password expired", "tls-required": "TLS required",
    "backend-down": "store is down", "backend-refused": "store refused", "misconfigured": "misconfigured",
    "limit": "limit reached", "try-later": "to try later", "loop": "sent in a circle",
}  # fmt: skip
_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def plain(value: Any, most: int = 500) -> str:
    """One value as text that cannot disturb a terminal, `most` letters of it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        value = ", ".join(plain(item, most) for item in value)
    text = str(value)
    if len(text) > most:
        text = text[: most - 1] + "…"
    return text if text.isascii() and text.isprintable() else "".join(map(_letter, text))


def _letter(letter: str) -> str:
    if unicodedata.category(letter) in _HIDDEN:
        return f"\\x{ord(letter):02x}" if ord(letter) < 256 else f"\\u{ord(letter):04x}"
    return letter


def count(number: float | None) -> str:
    """A number, its thousands apart as in the node's own sentences; nothing for None."""
    return "" if number is None else f"{number:,.0f}"


def service(name: Any) -> str:
    """A service or protocol as people call it."""
    return SERVICES.get(name) or plain(name)


def refusal(name: Any) -> str:
    """Why a log-in was refused, in 16 letters."""
    return REFUSED.get(name) or plain(name)


def size(octets: float) -> str:
    """Octets as people read them, four characters or so."""
    amount = float(octets)
    for unit in ("", "k", "M", "G"):
        if amount < 1000:
            return f"{amount:.0f}{unit}" if not unit or amount >= 10 else f"{amount:.1f}{unit}"
        amount /= 1024
    return f"{amount:.1f}T"


def age(seconds: float) -> str:
    """A time span in its two largest units."""
    whole = max(int(seconds), 0)
    for unit, length, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= length:
            return f"{whole // length}{unit} {whole % length // part:02}{smaller}"
    return f"{whole}s"


def since(moment: float | None, now: float | None = None) -> str:
    """How long ago a moment was (seconds since the epoch)."""
    return "" if moment is None else age((time.time() if now is None else now) - moment)


def clock(moment: float) -> str:
    """The time of a moment: of today the clock, else the day with it."""
    then, today = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == today[:3] else "%Y-%m-%d %H:%M", then)


def began(moment: float | None) -> str:
    """When something began, in six letters: today the time, else the day."""
    if moment is None:
        return ""
    then, today = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%d %b", then)


def milliseconds(value: float | None) -> str:
    """A latency with its unit."""
    if value is None:
        return ""
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"


def bars(values: Sequence[float], least: float = 0) -> str:
    """A small chart, a letter for each value, from zero to the largest, or to `least` if all are below that."""
    most = max([least, *values])
    return "".join(_BARS[round(value / most * (len(_BARS) - 1))] if most else _BARS[0] for value in values)


def many(number: int, noun: str, plural: str = "") -> str:
    """ "1 session", "12 sessions"."""
    return f"{count(number)} {noun if number == 1 else plural or noun + 's'}"


def address(peer: Any) -> str:
    """An IP address of `address:port`, `[address]:port`, or as it is."""
    text = plain(peer)
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
