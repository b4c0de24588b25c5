"""An app without what Textual would do on the server that it runs on: write files, start a browser, stop itself.

Who looks at it over SSH has no business there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from textual.app import App


class Harmless(App[None]):
    """Shows, and nothing else."""

    def action_suspend_process(self) -> None:
        """Not here: behind it would be nothing."""

    @contextlib.contextmanager
    def suspend(self) -> Iterator[None]:
        """Not here: it gives the terminal to other programs."""
        yield

    def action_screenshot(self, *_: Any, **__: Any) -> None:
        """Not here: it writes a file."""

    def deliver_screenshot(self, *_: Any, **__: Any) -> str | None:
        """Not here: it writes a file."""
        return None

    def save_screenshot(self, *_: Any, **__: Any) -> str:
        """Not here: it writes a file."""
        return ""

    def deliver_text(self, *_: Any, **__: Any) -> str | None:
        """Not here: it writes a file."""
        return None

    def deliver_binary(self, *_: Any, **__: Any) -> str | None:
        """Not here: it writes a file."""
        return None

    def open_url(self, url: str, *, new_tab: bool = True) -> None:
        """Not here: it starts a program."""
