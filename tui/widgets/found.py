"""What an import would do: a line for each sort of difference, and the names of the one that is listed."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import DataTable, Static

from tui.differences import SORTS, Report, differences, entries, number
from tui.themes import colour
from tui.widgets.rows import Column, Rows
from tui.words import plain


class Found(Vertical):
    """Hidden until there is a report."""

    DEFAULT_CSS = """
    Found { height: 1fr; display: none; }
    Found.open { display: block; }
    Found #differences { height: auto; margin: 1 0; }
    Found Rows { height: 1fr; overflow-x: hidden; }
    Found #whole { height: auto; max-height: 3; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"list('{sort}')", f"list {sort}", show=False) for sort, key in SORTS.items()
    ]

    def __init__(self) -> None:
        super().__init__()
        self.report: Report | None = None
        self.mode = ""
        self.listed = "new"

    def compose(self) -> ComposeResult:
        yield Static("", id="differences", markup=False)
        names = Column("what", "", width=46), Column("before", "before", width=12), Column("then", "then", flex=True)
        yield Rows(names, "id")
        yield Static("", id="whole", markup=False)

    def show(self, report: Report | None, mode: str) -> None:
        """This report, if it is done in this mode; the first sort that there is any of is listed."""
        if report is not None and report is not self.report:
            self.listed = next((sort for sort in SORTS if number(report, sort, mode)), "new")
        self.report, self.mode = report, mode
        self.set_class(report is not None, "open")
        self._say()

    def action_list(self, sort: str) -> None:
        """The names of one sort."""
        self.listed = sort
        self._say()

    def _say(self) -> None:
        if self.report is None:
            return
        shade = partial(colour, self.app.current_theme)
        text = differences(self.report, self.mode, self.app.size.width, shade, self.listed)
        self.query_one("#differences", Static).update(text)
        rows = self.query_one(Rows)
        rows.show(entries(self.report, self.listed))
        rows.focus()
        self._say_whole()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        self._say_whole()

    def _say_whole(self) -> None:
        """A sentence on what is wrong may be longer than its column."""
        row = self.query_one(Rows).current() if self.listed == "errors" else None
        self.query_one("#whole", Static).update(plain(row["what"], 300) if row else "")

    def on_resize(self) -> None:
        self._say()
