"""A form of settings: each with its value, its default and, while it is selected, its help; what was changed is marked.

Enter edits, `d` goes back to the default, `z` drops a change, A applies all of them. The form knows no request: whoever
shows it hears `Form.Apply`. Must never show a secret: one is typed unseen, and reads <kept>.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import DataTable, Input, OptionList, Static
from textual.widgets.option_list import Option

from tui.drafts import KEPT, Draft, Setting, shown, written
from tui.widgets.paste import Paste
from tui.widgets.rows import Column, Row, Rows
from tui.words import count, plain

NONE: Final = "(none)"
HELP_BESIDE: Final = 150  # columns from which there is room for each setting's help in its row


class Form(Vertical):
    """Settings as the node answers them, and a draft of changes."""

    DEFAULT_CSS = """
    Form { height: 1fr; }
    Form #help { height: auto; max-height: 6; padding: 0 1; border-top: solid $panel; color: $foreground; }
    Form #entry { height: auto; max-height: 9; background: $surface; display: none; }
    Form #entry.open { display: block; }
    Form OptionList { height: auto; max-height: 8; border: none; padding: 0 1; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "edit", key_display="Enter"),  # Enter itself is the table's
        Binding("d", "default", "default"),
        Binding("z", "drop", "drop change", show=False),
        Binding("A", "apply", "apply"),
        Binding("escape", "leave", show=False),
    ]

    class Apply(Message):
        """The draft is to be applied."""

        def __init__(self, draft: Draft) -> None:
            super().__init__()
            self.draft = draft

    def __init__(self, settings: Sequence[Setting] = (), **options: Any) -> None:
        super().__init__(**options)
        self.draft = Draft()
        self.draft.read(settings)
        self._editing = ""

    def compose(self) -> ComposeResult:
        width = self.app.size.width
        columns = [
            Column("mark", "", style=_colour, width=1),
            Column("name", "Setting", style=_colour),
            Column("value", "Value", style=_colour, width=24 if width < 100 else 40),
            Column("note", "", style=_colour, width=24 if width < 100 else 36),
        ]
        if width >= HELP_BESIDE:
            columns.append(Column("help", "", width=width - 110, style=lambda row: "dim"))
        yield Rows(columns, "name", id="settings")
        yield Static("", id="help", markup=False)
        yield Vertical(id="entry")

    def on_mount(self) -> None:
        self.say()
        self.query_one(Rows).focus()

    # --- what is shown ---

    def show(self, settings: Sequence[Setting]) -> None:
        """As the node says it is now; what was typed stays."""
        self.draft.read(settings)
        self.say()

    def refused(self, value: Any) -> bool:
        """Show at its field what the node found wrong (the value of Refused). Whether there was anything to show."""
        problems = value.get("problems", []) if isinstance(value, Mapping) else []
        self.draft.refused([one for one in problems if isinstance(one, Mapping)])
        self.say()
        if self.draft.problems:
            self.move_to(next(iter(self.draft.problems)))
        return bool(self.draft.problems)

    def move_to(self, name: str) -> None:
        """The cursor to a setting."""
        names = list(self.draft.settings)
        if name in names:
            self.query_one(Rows).move_cursor(row=names.index(name))

    def say(self) -> None:
        """As it is now."""
        if self.query(Rows):  # neither before it is there, nor while it closes
            self.query_one(Rows).show([self._row(name, setting) for name, setting in self.draft.settings.items()])
            self._say_help()
            self.refresh_bindings()

    def _row(self, name: str, setting: Setting) -> Row:
        state = "wrong" if name in self.draft.problems else "changed" if name in self.draft.values else ""
        state = state or ("set" if setting["set"] else "")
        value = shown(setting, self.draft.value(name))
        if setting["unit"] and type(setting["default"]) in (int, float):
            value += f" {setting['unit']}"
        marks = {"wrong": "✗", "changed": "▸", "set": "●"}
        return {
            "mark": marks.get(state, " "),
            "name": name,
            "value": plain(value, 60),
            "note": plain(self._note(name, setting, state), 60),
            "help": plain(setting["help"], 200),
            "state": state,
        }

    def _note(self, name: str, setting: Setting, state: str) -> str:
        if state == "wrong":
            return self.draft.problems[name].removeprefix(f"{name} ")
        if meanwhile := self.draft.meanwhile(name):
            return f"meanwhile {meanwhile}"
        if state == "changed":
            return f"was {shown(setting, setting['value'])}"
        if state == "set" and not setting.get("file"):
            return f"default {shown(setting, setting['default'])}"
        return ""

    def _say_help(self) -> None:
        name = self.query_one(Rows).current_key()
        if name is None:
            return
        setting = self.draft.settings[name]
        text = Text(plain(setting["help"], 400))
        text.append("\n" + ("Enter takes it, Esc leaves it · " if self._editing else "") + _facts(setting), "dim")
        if meanwhile := self.draft.meanwhile(name):
            text.append(f"\nSomebody else set it to {meanwhile} meanwhile; A would replace that.", "bold")
        if problem := self.draft.problems.get(name):
            text.append(f"\n✗ {problem}", "bold red")
        for line in self.query("#help").results(Static):  # none while it closes
            line.update(text)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        self._say_help()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.action_edit()

    # --- editing ---

    def action_edit(self) -> None:
        """The selected setting: a switch turns, a choice is chosen, anything else is typed."""
        name = self.query_one(Rows).current_key()
        if name is None or self._editing:
            return
        setting = self.draft.settings[name]
        if isinstance(setting["default"], bool):
            self.draft.put(name, not self.draft.value(name))
            self.say()
            return
        self._editing = name
        self._say_help()
        self.run_worker(self._open(_entry(setting, self.draft.value(name))), exclusive=True, group="entry")

    async def _open(self, entry: Input | OptionList | Paste) -> None:
        place = self.query_one("#entry")
        await place.mount(entry)
        place.add_class("open")
        entry.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._typed(event.value)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._typed(str(event.option.id).removeprefix("="))

    def on_paste_done(self, event: Paste.Done) -> None:
        event.stop()
        self._typed(event.text)

    def _typed(self, text: str) -> None:
        name = self._editing
        try:
            self.draft.type(name, text)
        except ValueError as error:
            self.draft.problems[name] = f"{name} must be {error}"
            self.say()
            return
        self._close()

    def _close(self) -> None:
        self._editing = ""
        entry = self.query_one("#entry")
        entry.remove_class("open")
        entry.remove_children()
        self.say()
        self.query_one(Rows).focus()

    async def action_leave(self) -> None:
        """Esc: out of the entry, then out of the screen; a draft is not lost by one key."""
        if self._editing:
            self.draft.problems.pop(self._editing, None)
            self._close()
        elif self.draft.values:
            from tui.widgets.dialog import Confirm

            def leave(yes: bool | None) -> None:
                if yes:
                    self.draft.clear()
                    self.app.pop_screen()

            self.app.push_screen(Confirm("Leave and drop these changes?", self.draft.differences()), leave)
        else:
            await self.app.run_action("back")

    def action_default(self) -> None:
        """The selected setting goes back to its default."""
        if (name := self.query_one(Rows).current_key()) is not None and not self._editing:
            self.draft.put(name, None)
            self.say()

    def action_drop(self) -> None:
        """Its change is dropped."""
        if (name := self.query_one(Rows).current_key()) is not None and not self._editing:
            self.draft.forget(name)
            self.say()

    def action_apply(self) -> None:
        """Have the draft applied by whoever shows the form."""
        if self.draft.values and not self._editing:
            self.post_message(self.Apply(self.draft))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing to apply: the key is grey; who may only look has no such keys."""
        if action in ("edit", "default", "drop", "apply") and getattr(self.app, "role", "") == "viewer":
            return False
        return None if action == "apply" and not self.draft.values else True


def _colour(row: Row) -> str:
    return {"wrong": "bold red", "changed": "bold"}.get(row["state"], "")


def _facts(setting: Setting) -> str:
    """Default, limits, how it is written, when it takes effect: one line."""
    low, high = setting.get("minimum"), setting.get("maximum")
    default = "not set" if setting.get("file") else shown(setting, setting["default"])
    shape = setting["default"]
    facts = [f"default {default}" if default != "-" else "default: empty"]
    if low is not None or high is not None:
        facts.append(f"{_limit(low) or '…'} to {_limit(high) or '…'}")
    if isinstance(shape, list | dict):
        facts.append("with commas between" if isinstance(shape, list) else "KEY=VALUE, with commas between")
    if setting.get("scope") == "node":
        facts.append("for each node by itself")
    if not setting.get("live", True):
        facts.append("takes effect when the node is started again")
    return " · ".join(facts)


def _limit(number: float | None) -> str:
    if number is None:
        return ""
    return count(number) if float(number).is_integer() else str(number)


def _entry(setting: Setting, value: Any) -> Input | OptionList | Paste:
    """Where its value is given."""
    choices = list(setting.get("choices") or ())
    if choices and isinstance(setting["default"], str) and setting.get("type") != "target":
        if not setting.get("required") and "" not in choices and setting["default"] == "":
            choices.insert(0, "")
        return OptionList(*(Option(plain(one) or NONE, id=f"={one}") for one in choices), compact=True)
    if setting.get("secret") and setting.get("type") == "secret" and setting["name"] != "key":
        return Input(password=True, placeholder="type it here, it is not shown; empty: none", compact=True)
    if setting.get("file"):
        return Paste(f"Paste the content of {setting['name']} here, then Enter on an empty line")
    hint = f"{', '.join(plain(one) for one in choices)}" if choices else ""
    return Input("" if value == KEPT else written(value), placeholder=hint, compact=True)
