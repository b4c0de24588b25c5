"""`make screenshots`: the main screens of a demo node, at two sizes, dark and light, as SVG in docs/screens.

Must never paint by itself: what is shown is the console's own screens over a node that runs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from textual.pilot import Pilot

from appliance.control.api.console import BY_KEY, ConsoleAddress, ConsoleEnter
from appliance.control.client import INHERITED, Client
from appliance.home import Home
from tests.demo import town
from tests.demo.node import demo_node, settle
from tests.services.node import Node
from tui.app import Console

FOLDER: Final = Path(__file__).parents[2] / "docs/screens"
SIZES: Final = ((80, 24), (120, 40))
THEMES: Final = {"dark": "postern-dark", "light": "postern-light"}
MORE: Final = ((200, 60, "dark"), (80, 24, "16"))  # of a few: a wide terminal, and one of sixteen colours
OF_MORE: Final = ("overview", "sessions", "importing")
PERSON: Final = f"maria@{town.DOMAIN}"
SCREENS: Final = {
    "overview": ("overview", ""),
    "person": ("person", PERSON),
    "explain": ("explain", PERSON),
    "sessions": ("sessions", ""),
    "maps": ("maps", ""),
    "entries": ("maps", "people"),
    "backends": ("backends", ""),
    "backend": ("backends", "mail3"),
    "certificates": ("certificates", ""),
    "services": ("services", "imap"),
    "log": ("log", ""),
    "audit": ("audit", ""),
    "importing": ("maps", ""),
}
SETTLED: Final = 1.5  # seconds until a picture is taken
PROBED: Final = 9.0  # where a slow store is visited for it, once for each service
LETTER: Final = 12.2  # the width of one, in a picture
_FONT: Final = re.compile(r"@font-face \{.*?\}", re.S)
_BLANK: Final = "&#160;"
_TEXT: Final = re.compile(r'(<text [^>]*?)x="([\d.]+)"( y="[\d.]+" )textLength="([\d.]+)"([^>]*)>([^<]*)</text>')

Act = Callable[[Console, "Pilot[None]"], Awaitable[None]]


@contextmanager
def let_in(node: Node, name: str) -> Iterator[Home]:
    """This process is that administrator's, as the SSH server would have it."""
    home = Home(node.home)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs, Client.connect(home) as client:
            client.ask(ConsoleEnter(name, "198.51.100.4", BY_KEY), file=theirs)
        os.environ[INHERITED] = str(ours.fileno())
        try:
            yield home
        finally:
            del os.environ[INHERITED]


async def picture(home: Home, screen: str, size: tuple[int, int], theme: str) -> str:
    """One screen as SVG."""
    place, subject = SCREENS[screen]
    console = Console(lambda: Client.connect(home))
    async with console.run_test(size=size) as pilot:
        console.theme = THEMES.get(theme, f"postern-{theme}")
        await pilot.pause(SETTLED)
        if place != "overview":
            console.go(place, subject)
            await pilot.pause(PROBED if screen == "backend" else SETTLED)
        if screen == "importing":
            await pilot.press("I")
            await pilot.pause(SETTLED)
        return for_everybody(console.export_screenshot(title=f"postern: {screen}"))


def for_everybody(svg: str) -> str:
    """A picture that asks nobody for fonts, and shows the same where leading blanks are not drawn."""
    return _TEXT.sub(_without_blanks, _FONT.sub("", svg).replace("Fira Code", "DejaVu Sans Mono"))


def _without_blanks(found: re.Match[str]) -> str:
    head, x, middle, length, rest, words = found.groups()
    bare = words.removeprefix(_BLANK * (leading := _leading(words)))
    trailing = _leading(bare, from_the_end=True)
    bare = bare.removesuffix(_BLANK * trailing)
    if not bare:
        return ""
    place = float(x) + leading * LETTER
    width = float(length) - (leading + trailing) * LETTER
    return f'{head}x="{place:g}"{middle}textLength="{width:g}"{rest}>{bare}</text>'


def _leading(words: str, from_the_end: bool = False) -> int:
    count = 0
    while (words.endswith if from_the_end else words.startswith)(_BLANK):
        words = words[: -len(_BLANK)] if from_the_end else words[len(_BLANK) :]
        count += 1
    return count


def take(node: Node, screens: list[str], folder: Path) -> None:
    """All pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with let_in(node, "maria") as home:
        for screen in screens:
            for wide, high, theme in shapes(screen):
                file = folder / f"{screen}-{wide}x{high}-{theme}.svg"
                file.write_text(asyncio.run(picture(home, screen, (wide, high), theme)))
                print(file)


def shapes(screen: str) -> list[tuple[int, int, str]]:
    """In which sizes and colours a screen is shown."""
    usual = [(*size, theme) for size in SIZES for theme in THEMES]
    return [*usual, *(MORE if screen in OF_MORE else ())]


def main() -> None:
    """Start the town, wait until it lives, and look at it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=12, help="of log-ins before the pictures: the charts' width")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("screens", nargs="*", default=list(SCREENS))
    options = parser.parse_args()
    with demo_node() as node:
        talks = settle(node)
        with Client.connect(Home(node.home)) as client:
            client.ask(ConsoleAddress("203.0.113.99", failed=20))
        town.Traffic(node).run(options.minutes * 60)
        take(node, options.screens, options.folder)
        town.close_all(talks)


if __name__ == "__main__":
    main()
