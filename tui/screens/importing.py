"""Import a map on one screen: which file, what it says, what it would change, and only then the change; `u` undoes.

The same requests as `postern map import`. Until A nothing is changed, and what is under way can be left at any time:
the entries before serve until all of the new ones are there. Must never open a file for who is not at this machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, ClassVar, Final, Literal

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widgets import DataTable, Static
from textual.worker import Worker

from appliance.control.api import Progress, Refused
from appliance.control.api.maps import MapImport, MapShow
from appliance.control.api.uploads import ConsoleUploads
from tui import differences
from tui.listing import Listing, command
from tui.mapfile import OF_UPLOADS, Origin, how_to_upload, is_remote, of_path, of_upload, opened
from tui.meter import Meter
from tui.undoing import undo_import
from tui.widgets.found import Found
from tui.widgets.rows import Column, Rows
from tui.words import clock, count, many, plain, size

FORMATS: Final = (("", "as its content shows"), *((name, name) for name in ("csv", "tsv", "jsonl", "sqlite")))
PAINT: Final = 0.25  # seconds between two paintings of the progress
Mode = Literal["", "replace", "merge"]


class Importing(Listing):
    """The wizard. The subject is the map's name."""

    DEFAULT_CSS = """
    Importing .line { height: auto; max-height: 4; padding: 0 1; }
    Importing.read #uploads { display: none; }
    Importing #progress { display: none; }
    Importing.busy #progress { display: block; }
    """
    place: ClassVar[str] = "import"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "read", "read it", key_display="Enter"),
        Binding("p", "path", "file of this machine"),
        Binding("A", "apply", "apply"),
        Binding("m", "mode", "merge or replace"),
        Binding("f", "format", "format"),
        Binding("u", "undo", "undo"),
        Binding("b", "again", "another file"),
    ]

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self.step = "source"  # source, reading, ready, writing, done
        self.origin: Origin | None = None
        self.report: dict[str, Any] | None = None
        self.mode: Mode = ""
        self.form = ""
        self._meter = Meter()
        self._painting: Timer | None = None
        self._work: Worker[None] | None = None
        self._entries = 0
        self._remark = ""

    def heading(self) -> str:
        return f"import into {self.subject}"

    def body(self) -> ComposeResult:
        yield Static("", classes="line", id="origin", markup=False)
        yield Static("", classes="line", id="progress", markup=False)
        yield self.table()
        yield Found()
        yield Static("", classes="line", id="verdict", markup=False)

    def table(self) -> Rows:
        return Rows(
            (
                Column("name", "Uploaded file", width=30),
                Column("size", "size", width=7, right=True, show=size),
                Column("by", "by", width=16),
                Column("at", "at", flex=True, show=clock),
            ),
            "name",
            id="uploads",
        )

    # --- 1: which file ---

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        if self.step != "source":
            return
        if (shown := await self.ask(MapShow(self.subject))) is not None:
            self._entries = shown.value["entries"] or 0
            self.mode = self.mode or ("merge" if self._entries else "")
        try:
            uploads = (await self.console.node.ask(ConsoleUploads())).value
        except Refused:  # a node whose console nobody can upload to
            uploads = []
        if self.is_shown:
            self.rows.show(uploads)
            self._say()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.action_read()

    def action_read(self) -> None:
        """The file under the cursor."""
        row = self.rows.current() if self.step == "source" else None
        if row is not None:
            self._begin(of_upload(row))

    @work(exclusive=True, group="act")
    async def action_path(self) -> None:
        """A file of this machine, for who is at its terminal."""
        typed = (await self.prompt("Path of the file on this machine")).strip()
        if not typed:
            return
        try:
            self._begin(of_path(typed))
        except ValueError as error:
            self.console.complain(str(error))

    # --- 2: what it says ---

    def _begin(self, origin: Origin) -> None:
        self.origin, self.report = origin, None
        self._work = self._dry_run()

    @work(exclusive=True, group="import")
    async def _dry_run(self) -> None:
        """What it would change."""
        report = await self._send("reading", "source", dry_run=True)
        if report is not None:
            self.report, self.step = report, "ready"
            self._say()

    async def _send(self, during: str, back_to: str, **more: Any) -> dict[str, Any] | None:
        """One MapImport with its progress. A report, also of a file with wrong lines; None: refused, and said why."""
        if self.origin is None:
            return None
        self.step, self._meter = during, Meter()
        self._say()
        self._painting = self.set_interval(PAINT, self._paint)
        name = self.origin.path.name if self.origin.path else self.origin.name
        request = MapImport(self.subject, name, format=self.form, mode=self.mode, **more)
        try:
            with opened(self.origin) as file:
                done = await self.console.node.ask(request, file, self._progressed)
            self._remark = done.note
            return dict(done.value)
        except (Refused, OSError) as error:
            value = getattr(error, "value", None)
            if more.get("dry_run") and isinstance(value, dict) and "errors_total" in value:
                return value
            self.step = back_to
            self.console.complain(getattr(error, "text", "") or f"{self.origin.name}: {error}")
        finally:
            self._painting.stop()
        self._say()
        return None

    def _progressed(self, progress: Progress) -> None:
        if self._meter.told(progress, time.monotonic()):
            self._paint()

    def _paint(self) -> None:
        if self.is_shown:
            self.query_one("#progress", Static).update(self._meter.line(max(self.size.width - 2, 20)))

    # --- 3: what it would change ---

    def action_mode(self) -> None:
        """Whether entries that are not in the file stay."""
        self.mode = "replace" if self.mode == "merge" else "merge"
        self._say()

    @work(exclusive=True, group="act")
    async def action_format(self) -> None:
        """Say what it is, and read it again."""
        picked = await self.choose("Read the file as", FORMATS, current=self.form)
        if picked is not None:
            self.form = picked
            self._work = self._dry_run()

    def action_again(self) -> None:
        """Another file."""
        self.step, self.report, self.origin, self.form = "source", None, None, ""
        self._say()
        self.rows.focus()
        self.load()

    # --- 4: change it ---

    def action_apply(self) -> None:
        """After a question: whether sessions end."""
        if self.step == "ready" and self.report is not None:
            self._work = self._apply(self.report)

    @work(exclusive=True, group="import")
    async def _apply(self, report: dict[str, Any]) -> None:
        skips, gone = bool(report["errors_total"]), differences.number(report, "gone", self.mode)
        apply = f"Apply, skip {many(report['errors_total'], 'wrong line')}" if skips else "Apply"
        choices = [("", "Leave all as it is"), ("apply", f"{apply}; open sessions go on")]
        if report["moved"] or gone:
            choices.append(("end", f"{apply}; end the sessions of who moved"))
        effect = [f"{count(number)} {words}" for number, words in (
            (report["new"], "new"), (report["moved"], "live elsewhere then"), (gone, "in this map no more")) if number]
        typed = self.typed()
        picked = await self.choose(f"Import into {self.subject}?", choices, effect=effect, command=typed)
        if not picked:
            return
        ends = picked == "end"
        done = await self._send("writing", "ready", skip_errors=skips, end_sessions=ends)
        if done is not None:
            self.report = {**report, **done, "moves": report["moves"], "examples": report["examples"]}
            self.step = "done"
            self.console.did(f"{typed} --end-sessions" if ends else typed, self._remark)
            self._say()

    def typed(self) -> str:
        """The command that does what A does."""
        words = ["map", "import", self.subject, self.origin.name if self.origin else ""]
        words += [f"--format={self.form}"] if self.form else []
        words += [f"--{self.mode}"] if self.mode else []
        return command(*words, *(["--skip-errors"] if self.report and self.report["errors_total"] else []))

    @work(exclusive=True, group="act")
    async def action_undo(self) -> None:
        """Back to before."""
        if await undo_import(self, self.subject) is not None:
            self.action_again()

    async def action_leave(self) -> None:
        """Esc. What is under way is given up: nothing of it is in force."""
        if self._work is not None and self.step in ("reading", "writing"):
            self._work.cancel()
            self.step = "ready" if self.step == "writing" else "source"
            self.console.notify("given up: nothing was changed")
            self._say()
        else:
            await super().action_leave()

    # --- what is said ---

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys of this step."""
        steps = {"read": ("source",), "path": ("source",), "apply": ("ready",), "mode": ("ready",), "undo": ("done",),
                 "format": ("ready", "source"), "again": ("ready", "done")}  # fmt: skip
        if action == "path" and is_remote():
            return False
        if action == "mode" and not self.mode:
            return False
        if action == "apply" and not (self.report and differences.worth(self.report, self.mode)):
            return False
        if action in steps and self.step not in steps[action]:
            return False
        return super().check_action(action, parameters)

    def _say(self) -> None:
        if not self.is_shown:
            return
        self.set_class(self.step in ("reading", "writing"), "busy")
        self.set_class(self.report is not None and self.step != "reading", "read")
        self._paint()
        self.query_one("#origin", Static).update("\n".join(self._about()))
        self.query_one("#verdict", Static).update(self._verdict())
        self.query_one(Found).show(self.report if self.step != "reading" else None, self.mode)
        self.refresh_bindings()

    def _about(self) -> Iterator[str]:
        if self.origin is None:
            yield f"Map {plain(self.subject)} has {many(self._entries, 'entry', 'entries')}. Which file?"
            return
        report = self.report or {}
        kind = f", {report['format']}: {report['reason']}" if report else ""
        lines = f", {many(report['read'], 'line')}" if report else ""
        name = self.origin.name.removeprefix(OF_UPLOADS)
        yield plain(f"{name}: {self.origin.about}{lines}{kind}")
        first = [f"{plain(address, 60)}, {plain(backend, 40)}" for _, address, backend in report.get("first", [])[:2]]
        if first:
            yield plain(f"begins   {'   '.join(first)}")

    def _verdict(self) -> str:
        if self.step == "source":
            return "" if self.rows.rows_shown else how_to_upload(self.console.node_name)
        if self.step == "reading":
            return "Nothing is changed by reading. Esc gives up."
        if self.step == "writing":
            return "The entries before serve until all new ones are there. Esc gives up."
        if self.report is None:
            return ""
        if self.step == "done":
            return f"Imported: {differences.numbers(self.report, self.mode)}. u goes back to before, for 7 days."
        return differences.verdict(self.report, self.mode)
