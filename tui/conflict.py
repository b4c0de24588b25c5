"""Somebody else changed the same meanwhile: what I wanted and what they did, side by side. Nothing of mine was done.

Must never show a secret: what the node masks in theirs is masked in mine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from appliance.control.api import Refused, Request
from appliance.control.api.audit import AuditList, AuditShow
from tui.node import Node
from tui.words import plain

STARS: Final = "***"  # what the audit shows for a secret

if TYPE_CHECKING:
    Theirs = Mapping[str, Any]


async def theirs(node: Node) -> Theirs:
    """The newest change that took effect, with its differences; empty if it cannot be had."""
    try:
        changes = (await node.ask(AuditList(limit=5))).value
        newest = next((change for change in changes if change["verdict"] == "done"), None)
        return dict((await node.ask(AuditShow(newest["id"]))).value) if newest else {}
    except Refused:
        return {}


class Conflict(ModalScreen[None]):
    """Both, and nothing to choose: go on from how it is now."""

    DEFAULT_CSS = """
    Conflict { align: center middle; }
    Conflict > Vertical { width: 76; max-width: 100%; height: auto; padding: 1 2; border: round $warning;
                          background: $surface; }
    Conflict Static { height: auto; margin-bottom: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,escape", "dismiss", "show how it is now")]

    def __init__(self, why: str, request: Request, command: str, theirs_now: Theirs) -> None:
        super().__init__()
        self.why, self.command, self.theirs_now = why, command, theirs_now
        self.pairs = side_by_side(request, theirs_now)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(f"Not done, somebody was quicker: {plain(self.why)}", markup=False)
            yield Static(self._table())
            yield Static("Enter shows how it is now; then do yours again if it is still right.", markup=False)

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, expand=True)
        by = plain(self.theirs_now.get("by", "somebody"), 30)
        for title in ("", "mine", f"theirs ({by})"):
            table.add_column(Text(title), overflow="fold")
        table.add_row("", Text(plain(self.command)), Text(plain(self.theirs_now.get("what", ""))))
        for key, mine, their in self.pairs:
            table.add_row(Text(key), Text(mine), Text(their))
        return table


def side_by_side(request: Request, theirs_now: Theirs) -> list[tuple[str, str, str]]:
    """Each key that either touches: its name, mine, theirs."""
    asked = msgspec.structs.asdict(request)
    mine: dict[str, Any] = asked["values"] if isinstance(asked.get("values"), dict) else {}
    their = {one["key"]: one["new"] for change in theirs_now.get("changes", ()) for one in change["keys"]}
    return [
        (plain(key), STARS if their.get(key) == STARS and key in mine else plain(mine.get(key), 60),
         plain(their.get(key), 60))
        for key in {**mine, **their}
    ]  # fmt: skip
