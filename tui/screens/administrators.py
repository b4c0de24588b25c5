"""Who administers: role, keys, password, one-time codes, last seen. Owners change it, each one the own log-in too.

Must never show a password; a secret for one-time codes is shown once, as the picture that a telephone reads.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Static

from appliance.control.api import Request
from appliance.control.api.admins import (
    AdminAdd,
    AdminKeyAdd,
    AdminKeyRemove,
    AdminList,
    AdminPassword,
    AdminRemove,
    AdminRole,
    AdminTotp,
)
from tui.place import Place, PlaceScreen
from tui.widgets.choose import Choose
from tui.widgets.dialog import Prompt
from tui.widgets.picture import Picture
from tui.widgets.rows import Column, Row, Rows
from tui.words import many, plain, since

ROLES: Final = (
    ("viewer", "viewer: may look"),
    ("operator", "operator: may run the node and change its data"),
    ("owner", "owner: may change anything, administrators too"),
)
OWNERS: Final = ("add", "role", "key", "remove_key", "remove")


class Administrators(PlaceScreen):
    """All of them."""

    DEFAULT_CSS = "Administrators #details { height: auto; border-top: solid $panel; }"
    place: ClassVar[str] = "administrators"
    topics: ClassVar = ("revision",)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "add", "add"),
        Binding("S", "key", "SSH key"),
        Binding("P", "password", "password"),
        Binding("T", "codes", "one-time codes"),
        Binding("R", "role", "role"),
        Binding("D", "remove_key", "drop a key"),
        Binding("X", "remove", "remove"),
    ]

    def body(self) -> ComposeResult:
        yield Rows(
            (
                Column("name", "Administrator"),
                Column("role", "Role"),
                Column("key_count", "Keys", right=True),
                Column("password", "Password"),
                Column("totp", "Codes"),
                Column("ago", "Last seen"),
            ),
            "name",
        )
        yield Static("", id="details", markup=False)

    def changed(self, topic: str, value: Any) -> None:
        self.load()

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        done = await self.ask(AdminList())
        if done is not None and self.query(Rows):  # it may be closing
            self.query_one(Rows).show([_row(row) for row in done.value])
            self._say_keys()
            self.refresh_bindings()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        self._say_keys()
        self.refresh_bindings()

    def _say_keys(self) -> None:
        row = self.query_one(Rows).current()
        keys = row["keys"] if row is not None else []
        lines = [f" {plain(key['fingerprint'], 60)}  {plain(key['comment'], 60)}" for key in keys]
        nobody = " Nobody yet: without an administrator nobody comes in by SSH. A adds one."
        for line in self.query("#details").results(Static):  # none while it closes
            line.update("\n".join(lines) if row is not None else nobody)

    # --- changing ---

    @work(exclusive=True, group="act")
    async def action_add(self) -> None:
        """Name, role, key."""
        name = await self._typed("The new administrator's name")
        if not name:
            return
        role = await self.console.push_screen_wait(Choose(f"What may {name} do?", ROLES, current="operator"))
        what = "A public key: the line of a .pub file; empty: later"
        key = None if role is None else await self._typed(what, empty=True)
        if role is None or key is None:
            return
        command = f"postern admin add {shlex.quote(name)} --role {role}" + (" --key FILE" if key else "")
        effect = [f"{name} may log in by SSH with this key." if key else f"{name} cannot log in before a key is added."]
        await self.act(AdminAdd(name, role, key), command, f"Add {name} as {role}?", effect)

    @work(exclusive=True, group="act")
    async def action_role(self) -> None:
        """Another role."""
        if (row := self.query_one(Rows).current()) is None:
            return
        name = row["name"]
        role = await self.console.push_screen_wait(Choose(f"What may {name} do?", ROLES, current=row["role"]))
        if role is not None and role != row["role"]:
            effect = [f"{row['role']} → {role}, from the next request on, in open consoles, too."]
            command = f"postern admin role {shlex.quote(name)} {role}"
            await self.act(AdminRole(name, role), command, f"Make {name} {role}?", effect)

    @work(exclusive=True, group="act")
    async def action_key(self) -> None:
        """One more key."""
        if (row := self.query_one(Rows).current()) is None:
            return
        if key := await self._typed(f"A public key of {row['name']}: the line of a .pub file"):
            command = f"postern admin key add {shlex.quote(row['name'])} FILE"
            comment = key.partition(" ")[2].partition(" ")[2] or "a key without a comment"
            effect = [f"Whoever holds the key {plain(comment, 60)!r} may log in as {row['name']}."]
            await self.act(AdminKeyAdd(row["name"], key), command, f"Add this key for {row['name']}?", effect)

    @work(exclusive=True, group="act")
    async def action_remove_key(self) -> None:
        """One key less."""
        row = self.query_one(Rows).current()
        if row is None or not row["keys"]:
            return
        name = row["name"]
        keys = [(key["fingerprint"], f"{key['fingerprint']} {key['comment']}") for key in row["keys"]]
        mark = await self.console.push_screen_wait(Choose(f"Which key of {name} is no longer good?", keys))
        if mark is not None:
            left = many(len(keys) - 1, "key")
            command = f"postern admin key remove {shlex.quote(name)} {mark}"
            effect = [mark, f"{name} has {left} left."]
            await self.act(AdminKeyRemove(name, mark), command, f"Take this key from {name}?", effect)

    @work(exclusive=True, group="act")
    async def action_password(self) -> None:
        """A password, twice the same."""
        if (row := self.query_one(Rows).current()) is None:
            return
        name = row["name"]
        first = await self._typed(f"New password of {name}; empty: none, only keys let in", secret=True, empty=True)
        if first is None:
            return
        if first != (await self._typed("The same again", secret=True, empty=True)):
            self.console.complain("these were not the same: nothing was changed")
            return
        effect = [f"{name} may log in with it, or with a key." if first else f"Only keys let {name} in then."]
        command = f"postern admin password {shlex.quote(name)}"
        await self.act(AdminPassword(name, first), command, f"Change the password of {name}?", effect)

    @work(exclusive=True, group="act")
    async def action_codes(self) -> None:
        """One-time codes: a new secret, shown as a picture; or none any more."""
        if (row := self.query_one(Rows).current()) is None:
            return
        name, quoted = row["name"], shlex.quote(row["name"])
        question = f"Give {name} new one-time codes?"
        effect = ["Each log-in asks for a code then.", "Commands and uploads over SSH are refused for such accounts."]
        if row["totp"]:
            ways = (("new", "a new secret: the old one is worth nothing then"), ("off", "no codes any more"))
            way = await self.console.push_screen_wait(Choose(f"One-time codes of {name}", ways))
            if way == "off":
                command, effect = f"postern admin totp {quoted} --off", ["A key, or the password, is enough then."]
                await self.act(AdminTotp(name, off=True), command, f"No codes for {name}?", effect)
            if way != "new":
                return
        done = await self.act(AdminTotp(name), f"postern admin totp {quoted}", question, effect)
        if done is not None:
            await self.console.push_screen_wait(Picture(done.value["uri"], done.value["secret"]))

    @work(exclusive=True, group="act")
    async def action_remove(self) -> None:
        """Gone, with all keys."""
        if (row := self.query_one(Rows).current()) is not None:
            name = row["name"]
            effect = [f"{row['role']}, {many(len(row['keys']), 'key')}; open consoles of {name} end."]
            request: Request = AdminRemove(name)
            await self.act(request, f"postern admin remove {shlex.quote(name)}", f"Remove {name}?", effect)

    async def _typed(self, question: str, secret: bool = False, empty: bool = False) -> str | None:
        """A line; None if it was left."""
        line = await self.console.push_screen_wait(Prompt(question, secret=secret))
        if line is None or (not line.strip() and not empty):
            return None
        return line if secret else line.strip()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Owners may all of it, others their own password and codes."""
        if action in OWNERS:
            return self.console.role == "owner"
        if action in ("password", "codes") and self.console.role != "owner":
            row = self.query_one(Rows).current() if self.query(Rows) else None
            return row is not None and row["name"] == self.console.who
        return True


def _row(row: Mapping[str, Any]) -> Row:
    ago = "never" if row["seen"] is None else f"{since(row['seen'])} ago"
    return {**row, "key_count": len(row["keys"]), "ago": ago}


PLACE = Place("administrators", "Administrators", "Who may come in here, with which rights.", Administrators, order=75)
