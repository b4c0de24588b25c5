"""The console played by keys, without a terminal: what a test presses, and what is to be read then.

Waits for what it expects to see, never for a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from textual.pilot import Pilot

from tests.tui.fake import FakeNode
from tui.app import Console
from tui.node import Connect

PATIENCE = 10.0  # seconds

Story = Callable[["Stage"], Awaitable[None]]


class Stage:
    """One console."""

    def __init__(self, app: Console, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    def text(self) -> str:
        """The screen, as lines."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        """One after the other."""
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Letters."""
        names = {"@": "at", ".": "full_stop", "-": "minus", " ": "space", ":": "colon"}
        await self.pilot.press(*(names.get(letter, letter) for letter in text))

    async def sees(self, *texts: str) -> str:
        """All of these are to be read, sooner or later."""
        await self.until(lambda: all(text in self.text() for text in texts), f"{texts} on screen")
        return self.text()

    async def sees_no(self, text: str) -> None:
        """It goes away."""
        await self.until(lambda: text not in self.text(), f"no {text!r} on screen")

    async def until(self, true: Callable[[], Any], what: str) -> None:
        """Wait for something."""
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, f"never: {what}\n{self.text()}"
            await self.pilot.pause(0.02)


def play(
    node: FakeNode | Connect, story: Story, size: tuple[int, int] = (80, 24), theme: str = "postern-dark"
) -> Console:
    """The story, from the first screen on; the console behind it."""
    connect = node.connect if isinstance(node, FakeNode) else node

    async def whole() -> Console:
        app = Console(connect)
        app.theme = theme
        async with app.run_test(size=size) as pilot:
            await story(Stage(app, pilot))
        return app

    try:
        return asyncio.run(whole())
    finally:
        if isinstance(node, FakeNode):
            node.close()
