"""Maps, entries and imports, over a node that answers what a test says."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.control.api.maps import MapCreate, MapDelete, MapEntries, MapImport, MapPut, MapSet, MapUndo
from tests.tui.configured import setting
from tests.tui.data import answer, last, map_show, node
from tests.tui.stage import Stage, play


def test_maps_say_who_uses_them_and_what_can_be_undone() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("maps")
        await stage.sees("people", "sqlite", "250", "IMAP", "3h ")
        await stage.press("G")
        await stage.sees("Lives on  mail1 250", "U goes back to 240 entries")
        await stage.press("D")
        await stage.sees("map people is used by imap: take it out of there first")
        await stage.press("U")
        await stage.sees("now 250 entries, then 240 entries", "postern map undo people")
        await stage.press("3")
        await stage.sees("done: postern map undo people --end-sessions")
        assert last(fake, MapUndo) == MapUndo("people", True)
        await stage.press("k", "D")
        await stage.sees("Delete map others?", "Its 3 entries go with it.", "postern map delete others --delete-data")
        await stage.press("enter")  # cancel is what happens without a thought
        await stage.sees("Map", "others")
        assert not [one for one in fake.asked if isinstance(one, MapDelete)]
        await stage.press("D", "y")
        await stage.sees("done: postern map delete others --delete-data")
        await stage.press("g", "enter")
        await stage.sees("map filed is of type file: its entries are not kept here")

    play(fake := node(), story)


def test_a_map_has_its_settings_as_a_form() -> None:
    fold = setting("fold", "lower", type="choice", choices=["lower", "none"])

    async def story(stage: Stage) -> None:
        stage.app.go("maps")
        await stage.sees("people")
        await stage.press("G", "s")
        await stage.sees("maps · people", "Setting", "fold")
        await stage.press("enter")
        await stage.sees("none")
        await stage.press("down", "enter")
        await stage.sees("▸  fold")
        await stage.press("A")
        await stage.sees("Apply 1 change to people?", "fold: lower → none", "New log-ins by IMAP follow it.")
        await stage.press("y")
        await stage.sees("done: postern map set people fold=none")
        assert last(fake, MapSet) == MapSet("people", {"fold": "none"})

    play(fake := node(MapShow=lambda asked: {**map_show(asked), "settings": [fold]}), story)


def test_a_map_is_created_with_entries_or_as_a_file() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("maps")
        await stage.sees("people")
        await stage.press("C")
        await answer(stage, "Name of the new map", "staff")
        await stage.sees("Where are the entries of staff?")
        await stage.press("1")
        await stage.sees("done: postern map create staff")
        assert last(fake, MapCreate) == MapCreate("staff", {})
        await stage.press("C")
        await answer(stage, "Name of the new map", "guests")
        await stage.sees("Where are the entries of guests?")
        await stage.press("2")
        await answer(stage, "Path of the file", "guests")
        await stage.sees("done: postern map create guests type=file path=guests")
        assert last(fake, MapCreate) == MapCreate("guests", {"type": "file", "path": "guests"})

    play(fake := node(), story)


def test_a_viewer_is_offered_no_change() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("maps")
        shown = await stage.sees("people", "Enter entries")
        assert "import" not in shown and "delete" not in shown
        await stage.press("G", "D", "I")
        assert "import into" not in stage.text()
        assert not [one for one in fake.asked if isinstance(one, MapDelete)]

    play(fake := node("viewer"), story)


def test_entries_come_a_hundred_at_a_time_filtered_by_the_node() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("maps", "people")
        await stage.sees("1 to 100 of 250, by address, more with n", "u000@x.test")
        await stage.press("n")
        await stage.sees("101 to 200 of 250", "u100@x.test")
        assert last(fake, MapEntries).after == "u099@x.test"
        await stage.press("n")
        await stage.sees("201 to 250 of 250")
        await stage.press("n", "p")
        await stage.sees("101 to 200 of 250")
        asked = len(fake.asked)
        await stage.press("slash", *"u24")
        await stage.sees('1 to 10 with "u24"', "u240@x.test")
        assert last(fake, MapEntries) == MapEntries("people", "u24", limit=100)
        assert len(fake.asked) - asked <= 3  # not one for each letter
        await stage.press("enter", "escape")
        await stage.sees("1 to 100 of 250")

    play(fake := node(), story)


def test_an_entry_moves_after_the_question_what_happens_to_sessions() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("maps", "people")
        await stage.sees("u000@x.test")
        await stage.press("j", "enter")
        await stage.sees("u001@x.test is on mail1", "mail2   up")
        await stage.press("2")
        await stage.sees("Put u001@x.test on mail2?", "2 sessions open on mail1")
        await stage.press("enter")
        await stage.sees("1 to 100")
        assert not [one for one in fake.asked if isinstance(one, MapPut)]
        await stage.press("enter", "2", "3")
        await stage.sees("done: postern map put people u001@x.test mail2 --end-sessions")
        assert last(fake, MapPut) == MapPut("people", "u001@x.test", "mail2", True)

    play(fake := node(), story)


def test_an_import_is_previewed_then_made() -> None:
    async def story(stage: Stage) -> None:
        stage.app.go("maps")
        await stage.sees("people")
        await stage.press("G", "I")
        await stage.sees("Map people has 250 entries", "users.csv", "jonas")
        await stage.press("enter")
        await stage.sees("A applies it: 1 new, 1 moved, skip 2 wrong lines", "mail1 → mail2 1", "no \\x1b]52;c;eA==")
        assert last(fake, MapImport) == MapImport("people", "upload:users.csv", mode="merge", dry_run=True)
        await stage.press("m")
        await stage.sees("248 gone")
        await stage.press("v")
        await stage.sees("u000@x.test")
        await stage.press("r")
        await stage.sees("line 3: no")
        await stage.press("A")
        await stage.sees("Import into people?", "248 in this map no more")
        await stage.press("3")
        await stage.sees("Imported: 1 new, 1 moved, 248 gone.", "--skip-errors", "--end-sessions")
        made = MapImport("people", "upload:users.csv", mode="replace", skip_errors=True, end_sessions=True)
        assert last(fake, MapImport) == made

    play(fake := node(), story)


def test_who_came_by_ssh_opens_no_file_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POSTERN_REMOTE", "1")

    async def story(stage: Stage) -> None:
        stage.app.go("maps")
        await stage.sees("people")
        await stage.press("G", "I")
        shown = await stage.sees("Nothing is uploaded yet", "scp -P 2222")
        assert "this machine" not in shown
        await stage.press("p")
        assert "Path of the file" not in stage.text()

    play(node(ConsoleUploads=[]), story)


