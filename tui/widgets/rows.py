"""A table of things: arrows or vim keys, Space marks, a click on a heading (or `o`) sorts. 500 rows at most.

Only cells that changed are painted again. Must never show a value that was not escaped: cells are plain text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from tui.words import plain

MOST: Final = 500
Row = Mapping[str, Any]


class Column(NamedTuple):
    """One column."""

    key: str
    title: str
    right: bool = False
    show: Callable[[Any], str] = plain  # of the row's value
    style: Callable[[Row], str] = lambda row: ""  # a colour; the word in the cell says the same
    width: int | None = None
    wide: bool = False  # only from 100 columns on


class Rows(DataTable[Text]):
    """Rows that are known by a key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
        Binding("g", "scroll_top", show=False),
        Binding("G", "scroll_bottom", show=False),
        Binding("space", "mark", "mark", show=False),
        Binding("o", "sort", "sort", show=False),
    ]

    def __init__(self, columns: Sequence[Column], key: str, marks: bool = False, **options: Any) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, show_row_labels=False, **options)
        self.all_columns, self.key_name, self.marks = columns, key, marks
        self.rows_shown: list[Row] = []
        self.marked: set[str] = set()
        self.total = 0
        self._given: list[Row] = []
        self._sorted: tuple[str, bool] | None = None
        self._wide: bool | None = None

    def on_mount(self) -> None:
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        wide = self.app.size.width >= 100
        if wide == self._wide:
            return
        self._wide = wide
        self.clear(columns=True)
        if self.marks:
            self.add_column(" ", key="\0mark", width=1)
        for column in self._columns():
            title = Text(column.title, justify="right" if column.right else "left")
            self.add_column(title, key=column.key, width=column.width)
        self._paint()

    def _columns(self) -> list[Column]:
        return [column for column in self.all_columns if self._wide or not column.wide]

    # --- what is shown ---

    def show(self, rows: Sequence[Row], total: int | None = None) -> None:
        """These rows; `total`: of how many they are the first."""
        self._given = list(rows)
        self.total = len(rows) if total is None else total
        self._paint()

    def _paint(self) -> None:
        if self._wide is None:
            return
        rows = self._in_order()[:MOST]
        keys = [str(row[self.key_name]) for row in rows]
        if keys == [str(row[self.key_name]) for row in self.rows_shown] and self.row_count == len(keys):
            for row, before in zip(rows, self.rows_shown, strict=True):
                self._repaint(row, before)
        else:
            self._replace(rows, keys)
        self.rows_shown = rows
        self.marked &= set(keys)

    def _replace(self, rows: Sequence[Row], keys: Sequence[str]) -> None:
        current, at = self.current_key(), self.cursor_row
        self.clear()
        for row, key in zip(rows, keys, strict=True):
            cells = [self._cell(column, row) for column in self._columns()]
            if self.marks:
                cells.insert(0, Text("●" if key in self.marked else " "))
            self.add_row(*cells, key=key)
        if keys:
            self.move_cursor(row=keys.index(current) if current in keys else min(at, len(keys) - 1), scroll=True)

    def _repaint(self, row: Row, before: Row) -> None:
        key = str(row[self.key_name])
        for column in self._columns():
            cell = self._cell(column, row)
            if cell != self._cell(column, before):
                self.update_cell(key, column.key, cell)

    def _cell(self, column: Column, row: Row) -> Text:
        text = plain(column.show(row.get(column.key)))
        return Text(text, style=column.style(row), justify="right" if column.right else "left", no_wrap=True)

    def _in_order(self) -> list[Row]:
        if self._sorted is None:
            return self._given
        key, down = self._sorted
        return sorted(self._given, key=lambda row: _rank(row.get(key)), reverse=down)

    # --- where one is ---

    def current_key(self) -> str | None:
        """Of the row under the cursor."""
        if not self.rows_shown or not 0 <= self.cursor_row < len(self.rows_shown):
            return None
        return str(self.rows_shown[self.cursor_row][self.key_name])

    def current(self) -> Row | None:
        """The row under the cursor."""
        return self.rows_shown[self.cursor_row] if self.current_key() is not None else None

    def chosen(self) -> list[Row]:
        """The marked rows; without marks the one under the cursor."""
        marked = [row for row in self.rows_shown if str(row[self.key_name]) in self.marked]
        current = self.current()
        return marked or ([current] if current is not None else [])

    def action_mark(self) -> None:
        """Mark, or no longer, and go on to the next."""
        key = self.current_key()
        if not self.marks or key is None:
            return
        self.marked ^= {key}
        self.update_cell(key, "\0mark", Text("●" if key in self.marked else " "))
        self.action_cursor_down()

    def action_sort(self) -> None:
        """By the next column; behind the last one as they came."""
        keys = [column.key for column in self._columns()]
        at = keys.index(self._sorted[0]) + 1 if self._sorted else 0
        self.sort_by(keys[at] if at < len(keys) else None)

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        self.sort_by(str(event.column_key.value))

    def sort_by(self, key: str | None) -> None:
        """By a column, the other way round the second time; None: as they came."""
        down = self._sorted is not None and self._sorted[0] == key and not self._sorted[1]
        self._sorted = None if key is None or key == "\0mark" else (key, down)
        self._paint()


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers by size, before text by letters; nothing last."""
    if value is None:
        return (2, "")
    if isinstance(value, int | float):
        return (0, value)
    return (1, str(value))
