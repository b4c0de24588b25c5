"""Internal accounts: who may log in where the node itself checks passwords. Paged, and found by how they begin.

A password is asked for twice, unseen, and leaves this process on the control socket alone.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from textual import work
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from appliance.control.api.accounts import (
    AccountAdd,
    AccountDisable,
    AccountEnable,
    AccountList,
    AccountPassword,
    AccountRemove,
)
from appliance.control.api.live import SessionList
from tui.listing import Listing, command
from tui.place import Place
from tui.widgets.rows import Column, Row, Rows
from tui.words import count, many

PAGE: Final = 100
STATES: Final = {"on": "on", "off": "off: no log-ins"}


class Accounts(Listing):
    """A page of them. The subject is what their addresses begin with."""

    place: ClassVar[str] = "accounts"
    topics: ClassVar = ("revision",)
    hint: ClassVar[str] = "what the address begins with"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "person", "person", key_display="Enter"),
        Binding("n", "next_page", "next"),
        Binding("p", "page_before", "before"),
        Binding("A", "add", "add"),
        Binding("P", "password", "password"),
        Binding("D", "disable", "disable"),
        Binding("E", "enable", "enable"),
        Binding("X", "remove", "remove"),
    ]

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self.wanted = subject
        self._before = [""]  # the address that each page up to this one begins behind
        self._more = False

    def heading(self) -> str:
        return f"accounts · {self.wanted}…" if self.wanted else "accounts"

    def table(self) -> Rows:
        return Rows(
            (
                Column("address", "Address", width=42),
                Column("words", "may log in", width=16, style=_colour),
                Column("scheme", "password", flex=True),
            ),
            "address",
        )

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        done = await self.ask(AccountList(self.wanted.lower(), self._before[-1], PAGE + 1))
        if done is None:
            return
        found, self._more = done.value[:PAGE], len(done.value) > PAGE
        self.rows.show([{**one, "words": STATES.get(one["state"], one["state"])} for one in found])
        self.summary(self._position(len(found)))
        self.refresh_bindings()

    def _position(self, here: int) -> str:
        if not here:
            return "No account begins so." if self.wanted else "No account yet: A adds one."
        first = (len(self._before) - 1) * PAGE + 1
        more = ", more with n" if self._more else ""
        return f"{count(first)} to {count(first + here - 1)}, by address{more}"

    def filtered(self, text: str) -> None:
        self._before = [""]
        super().filtered(text)

    def changed(self, topic: str, value: Any) -> None:
        if self.is_new(value):
            self.load()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Pages are offered where there are any."""
        if action == "next_page" and not self._more:
            return None
        if action == "page_before" and len(self._before) == 1:
            return None
        return super().check_action(action, parameters)

    def action_next_page(self) -> None:
        """The hundred behind these."""
        if self._more and self.rows.rows_shown:
            self._before.append(self.rows.rows_shown[-1]["address"])
            self.rows.move_cursor(row=0)
            self.load()

    def action_page_before(self) -> None:
        """The hundred before these."""
        if len(self._before) > 1:
            self._before.pop()
            self.rows.move_cursor(row=0)
            self.load()

    # --- one account ---

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.action_person()

    def action_person(self) -> None:
        """Who this is."""
        if (address := self.rows.current_key()) is not None:
            self.console.go("person", address)

    @work(exclusive=True, group="act")
    async def action_add(self) -> None:
        """A new one."""
        address = (await self.prompt("Address of the new account")).strip()
        secret = await self.new_secret(address) if address else ""
        if secret:
            await self.act(AccountAdd(address, secret), command("account", "add", address))

    @work(exclusive=True, group="act")
    async def action_password(self) -> None:
        """Another one; the old one ends at once."""
        if (address := self.rows.current_key()) is not None and (secret := await self.new_secret(address)):
            await self.act(AccountPassword(address, secret), command("account", "password", address))

    @work(exclusive=True, group="act")
    async def action_disable(self) -> None:
        """No log-ins; sessions end."""
        if (address := self.rows.current_key()) is not None:
            effect = await self._effect(address)
            request, typed = AccountDisable(address), command("account", "disable", address)
            await self.act(request, typed, f"Disable {address}?", ["No more log-ins.", *effect])

    @work(exclusive=True, group="act")
    async def action_enable(self) -> None:
        """Log-ins again."""
        if (address := self.rows.current_key()) is not None:
            await self.act(AccountEnable(address), command("account", "enable", address))

    @work(exclusive=True, group="act")
    async def action_remove(self) -> None:
        """Gone."""
        if (address := self.rows.current_key()) is not None:
            effect = ["Account and password are gone; mail and map entries stay.", *await self._effect(address)]
            request, typed = AccountRemove(address), command("account", "remove", address)
            await self.act(request, typed, f"Remove the account {address}?", effect)

    async def _effect(self, address: str) -> list[str]:
        done = await self.ask(SessionList(user=address))
        return [] if done is None else [f"Ends {many(len(done.value), 'open session')}."]


def _colour(row: Row) -> str:
    return "warning" if row["state"] == "off" else ""


PLACE = Place("accounts", "Accounts", "Internal accounts: add, password, disable.", Accounts, key="p", order=40)
