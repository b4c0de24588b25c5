"""A table of things: arrows or vim keys, Space marks, a click on a heading (or `o`) sorts, `y` copies. 500 at most.

Only cells that changed are painted again. Must never show a value that was not escaped: cells are plain text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from tui.themes import colour
from tui.words import plain

MOST: Final = 500
WIDE: Final = 100  # columns
Row = Mapping[str, Any]


class Column(NamedTuple):
    """One column."""

    key: str
    title: str
    right: bool = False
    show: Callable[[Any], str] = plain  # of the row's value
    style: Callable[[Row], str] = lambda row: ""  # a colour; the word in the cell says the same
    width: int | None = None
    wide: bool = False  # only from WIDE columns on
    flex: bool = False  # has what the others leave; these need a width then
    wider: int = 0  # only from so many columns on
    narrow: bool = False  # only where there are no wide ones

    @property
    def heading(self) -> str:
        """All begin with a capital."""
        return self.title[:1].upper() + self.title[1:]


class Rows(DataTable[Text]):
    """Rows that are known by a key."""

    DEFAULT_CSS = """
    Rows { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "cursor_down", "down", show=False),
        Binding("k,up", "cursor_up", "up", show=False),
        Binding("g,home", "scroll_top", "to the first", show=False),
        Binding("G,end", "scroll_bottom", "to the last", show=False),
        Binding("ctrl+f,pagedown", "page_down", "a page down", show=False),
        Binding("ctrl+b,pageup", "page_up", "a page up", show=False),
        Binding("space", "mark", "mark", show=False),
        Binding("o", "sort", "sort by the next column", show=False),
        Binding("y", "copy", "copy the row (Y: its name)", show=False),
        Binding("Y", "copy_key", show=False),
    ]

    def __init__(self, columns: Sequence[Column], key: str, marks: bool = False, **options: Any) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, show_row_labels=False, **options)
        self.cursor_foreground_priority = "renderable"
        self.all_columns, self.key_name, self.marks = columns, key, marks
        self.rows_shown: list[Row] = []
        self.marked: set[str] = set()
        self.total = 0
        self._given: list[Row] = []
        self._sorted: tuple[str, bool] | None = None
        self._shape: tuple[tuple[str, ...], int] | None = None

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._lay_out(anew=True))
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def on_focus(self) -> None:
        self.cursor_foreground_priority = "css"  # on the accent every colour but one would be hard to read

    def on_blur(self) -> None:
        self.cursor_foreground_priority = "renderable"

    def _lay_out(self, anew: bool = False) -> None:
        """The columns, whenever there is another width to fill."""
        columns = self._columns()
        shape = (tuple(column.key for column in columns), self._room_for_flex(columns))
        if (shape == self._shape and not anew) or not self.size.width:
            return
        self._shape = shape
        self.clear(columns=True)
        if self.marks:
            self.add_column(" ", key="\0mark", width=1)
        for column in columns:
            title = Text(column.heading, justify="right" if column.right else "left", no_wrap=True)
            self.add_column(title, key=column.key, width=shape[1] if column.flex else column.width)
        self.rows_shown = []
        self._paint()

    def _room_for_flex(self, columns: Sequence[Column]) -> int:
        """What the others leave to the one that takes all."""
        if not any(column.flex for column in columns):
            return 0
        taken = sum(column.width or len(column.title) for column in columns if not column.flex)
        padding = 2 * self.cell_padding * (len(columns) + self.marks)
        return max(8, self.size.width - taken - padding - self.marks - self.scrollbar_size_vertical)

    def _columns(self) -> list[Column]:
        width = self.app.size.width
        fitting = [one for one in self.all_columns if width >= max(WIDE if one.wide else 0, one.wider)]
        return [one for one in fitting if width < WIDE or not one.narrow]

    # --- what is shown ---

    def show(self, rows: Sequence[Row], total: int | None = None) -> None:
        """These rows, the first of each key; `total`: of how many they are the first."""
        known: dict[str, Row] = {}
        for row in rows:
            known.setdefault(str(row[self.key_name]), row)
        self._given = list(known.values())
        self.total = len(rows) if total is None else total
        self._paint()

    def _paint(self) -> None:
        if self._shape is None:
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
        style = self._colour(column.style(row))
        return Text(text, style, justify="right" if column.right else "left", no_wrap=True, overflow="ellipsis")

    def _colour(self, name: str) -> str:
        """As the theme has it."""
        return colour(self.app.current_theme, name)

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

    def action_copy(self) -> None:
        """The row's cells to the clipboard of whoever looks (OSC 52)."""
        row = self.current()
        if row is not None:
            self._copy("  ".join(plain(column.show(row.get(column.key))) for column in self._columns()).strip())

    def action_copy_key(self) -> None:
        """What the row is known by."""
        self._copy(plain(self.current_key() or ""))

    def _copy(self, text: str) -> None:
        self.app.copy_to_clipboard(text)
        self.app.notify(f"copied: {text}", markup=False)

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
