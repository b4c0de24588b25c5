"""The certificates that clients are shown: for which names, by whom, how long; whether each really serves its names.

Another one is pasted, or sent by scp, and goes on trial: a bad one shuts everybody out. Must never show a key.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Input, Static

from appliance.control.api import Refused
from appliance.control.api.certificates import CertAdd, CertCheck, CertList, CertRemove
from appliance.control.api.uploads import ConsoleUploads
from tui.place import Place, PlaceScreen
from tui.settings import TRIAL_SECONDS
from tui.widgets.choose import Choose
from tui.widgets.paste import Paste
from tui.widgets.rows import Column, Row, Rows
from tui.words import many, plain, size

SOON: Final = 14  # days: said in the list
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z ]{1,40})-----.{1,40000}?-----END \1-----", re.S)


class Certificates(PlaceScreen):
    """All that are shown to clients."""

    DEFAULT_CSS = "Certificates #details { height: auto; border-top: solid $panel; }"
    place: ClassVar[str] = "certificates"
    topics: ClassVar = ("revision",)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "add", "add"),
        Binding("X", "remove", "remove"),
    ]

    def body(self) -> ComposeResult:
        yield Rows(
            (
                Column("name", "Shown for"),
                Column("lasts", "Lasts", style=_colour),
                Column("words", "Check", style=_colour),
                Column("issuer", "Issued by", wide=True),
            ),
            "name",
        )
        yield Static("", id="details", markup=False)

    def changed(self, topic: str, value: Any) -> None:
        self.load()

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        listed = await self.ask(CertList())
        checked = await self._checked()
        if listed is not None and self.query(Rows):  # it may be closing
            found = {tuple(row["names"]): row for row in checked}
            self.query_one(Rows).show([_row(row, found.get(tuple(row["names"]), {})) for row in listed.value])
            self._say_details()

    async def _checked(self) -> list[dict[str, Any]]:
        """The check's rows; it is refused, with them, when anything is wrong."""
        try:
            rows = (await self.console.node.ask(CertCheck())).value
        except Refused as refused:
            rows = refused.value
        return rows if isinstance(rows, list) else []

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        self._say_details()

    def _say_details(self) -> None:
        row = self.query_one(Rows).current()
        for line in self.query("#details").results(Static):  # none while it closes
            line.update(_details(row) if row is not None else "")

    def action_add(self) -> None:
        """Another one."""
        self.console.push_screen(AddCertificate())

    @work(exclusive=True, group="act")
    async def action_remove(self) -> None:
        """This one; the next best serves its names then."""
        row = self.query_one(Rows).current()
        if row is None:
            return
        if row["own"]:
            self.console.complain("this is the one that the node made for itself: add another for `*` to replace it")
            return
        name = row["names"][0]
        command = f"postern cert remove {shlex.quote(name)} --try {TRIAL_SECONDS}"
        effect = [f"{row['name']}: clients get the default certificate then."]
        await self.act(CertRemove(name), command, f"Remove the certificate of {name}?", effect, trial=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Who may only look has no such keys."""
        return not (action in ("add", "remove") and self.console.role == "viewer")


class AddCertificate(PlaceScreen):
    """Names, certificate and key; each by itself or all in one paste, in any order."""

    DEFAULT_CSS = """
    AddCertificate Static { padding: 0 1; }
    AddCertificate Paste { min-height: 4; margin-top: 1; }
    AddCertificate Input { margin: 0 1; }
    """
    place: ClassVar[str] = "certificates"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+o", "upload", "a file that was sent", key_display="^o"),
        Binding("ctrl+s", "add", "check and use", key_display="^s"),
    ]

    def __init__(self, subject: str = "*") -> None:
        super().__init__(subject or "*")
        self.certificate = self.key = ""

    def heading(self) -> str:
        return "certificates · add"

    def body(self) -> ComposeResult:
        yield Static("Names it is shown for, with commas between; * is for everybody that no other one fits:")
        yield Input(self.subject, id="names", compact=True)
        yield Paste("Paste the certificate, what leads from it to its authority, and the key (PEM), in any order. "
                    "Then Enter on an empty line.")  # fmt: skip
        yield Static("", id="found", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._say()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(Paste).focus()

    def on_paste_changed(self, event: Paste.Changed) -> None:
        self.certificate, self.key = parts(event.text)
        self._say()

    def on_paste_done(self, event: Paste.Done) -> None:
        self.action_add()

    def _say(self) -> None:
        certificates = self.certificate.count("-----BEGIN CERTIFICATE-----")
        have = [
            f"{'✓' if certificates or self.certificate else '·'} certificate"
            + (f": {many(certificates, 'certificate')} in it" if certificates else f" {plain(self.certificate)}"),
            f"{'✓' if self.key else '·'} key" + (f": {plain(self.key)}" if self.key.startswith("upload:") else ""),
        ]
        self.query_one("#found", Static).update("\n" + "\n".join(have) + "\n\nCtrl+S checks both and uses them.")

    @work(exclusive=True, group="act")
    async def action_upload(self) -> None:
        """From a file that came by scp."""
        found = await self.ask(ConsoleUploads())
        if found is None:
            return
        if not (rows := found.value):
            self.console.complain("nothing was sent yet: scp -P 2222 FILE YOU@THIS-NODE: brings it here")
            return
        choices = [(one["name"], f"{one['name']}  {size(one['size'])}, by {plain(one['by'], 30)}") for one in rows]
        ask = self.console.push_screen_wait
        if (chosen := await ask(Choose("Which file has the certificate and its chain?", choices))) is not None:
            self.certificate = f"upload:{chosen}"
        if (chosen := await ask(Choose("Which file has its key?", choices))) is not None:
            self.key = f"upload:{chosen}"
        self._say()

    @work(exclusive=True, group="act")
    async def action_add(self) -> None:
        """Have the node check it, and use it on trial."""
        names = [name.strip() for name in self.query_one("#names", Input).value.split(",") if name.strip()]
        if not (names and self.certificate and self.key):
            self.console.complain("names, certificate and key are needed")
            return
        words = " ".join(shlex.quote(name) for name in names)
        command = f"postern cert add {words} --certificate FILE --key FILE --try {TRIAL_SECONDS}"
        request = CertAdd(names, self.certificate, self.key)
        effect = [f"New connections that ask for {', '.join(names)} are shown it at once; open ones stay."]
        if await self.act(request, command, f"Use it for {', '.join(names)}?", effect, trial=True) is not None:
            self.certificate = self.key = ""
            self.console.pop_screen()


def parts(text: str) -> tuple[str, str]:
    """Certificates, and the key, of PEM in any order."""
    certificates, key = [], ""
    for found in _BLOCK.finditer(text):
        if found[1] == "CERTIFICATE":
            certificates.append(found[0] + "\n")
        elif found[1].endswith("PRIVATE KEY"):
            key = found[0] + "\n"
    return "".join(certificates), key


def _row(row: Mapping[str, Any], checked: Mapping[str, Any]) -> Row:
    problems = checked.get("problems") or []
    own = "made by this node: clients will warn" if row["own"] else ""
    return {
        **row,
        "name": ", ".join(plain(name, 100) for name in row["names"]),
        "lasts": lasts(row["days"]),
        "words": f"▲ {plain(problems[0], 60)}" if problems else f"▲ {own}" if own else "✓ serves its names",
        "problems": problems,
    }


def lasts(days: int) -> str:
    """How long it is still good, in words."""
    if days < 0:
        return f"▲ expired {many(-days, 'day')} ago"
    if days < 1:
        return "▲ expires today"
    return f"▲ {many(days, 'day')}" if days < SOON else many(days, "day")


def _details(row: Row) -> Text:
    text = Text(f" {plain(row['subject'], 200)}, {plain(row['key'], 60)}\n")
    text.append(f" issued by {plain(row['issuer'], 200)}\n", "dim")
    text.append(f" {plain(row['from'][:10])} to {plain(row['until'][:10])}\n", "dim")
    for problem in row["problems"]:
        text.append(f" ▲ {plain(problem, 300)}\n", "bold")
    return text


def _colour(row: Row) -> str:
    return "bold" if "▲" in row["lasts"] + row["words"] else ""


HELP: Final = "What clients are shown: names, expiry, chain."
PLACE = Place("certificates", "Certificates", HELP, Certificates, key="c", order=65)
