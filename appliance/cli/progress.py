"""The progress bar of long work, on a terminal's standard error. Loaded only when there is something to draw on."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Display

from appliance.control.api import Progress


class Bar:
    """One bar per phase; the phases before it stay on the screen as done."""

    def __init__(self) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._display = Display(*columns, console=Console(stderr=True), transient=True)
        self._phases: dict[str, int] = {}

    def __enter__(self) -> Bar:
        self._display.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._display.stop()

    def show(self, progress: Progress) -> None:
        """Draw it. A total of 0 is one not known: the bar pulses."""
        total = progress.total or None
        if progress.phase not in self._phases:
            self._phases[progress.phase] = self._display.add_task(progress.phase, total=total)
        self._display.update(self._phases[progress.phase], completed=progress.done, total=total)  # type: ignore[arg-type]
