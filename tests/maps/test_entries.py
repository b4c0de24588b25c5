"""Stories of maps and their single entries: get, put, remove, export, undo, delete, set."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import pytest

from appliance.control.api import Refused
from appliance.control.api.audit import AuditList
from appliance.control.api.maps import (
    MapCreate,
    MapDelete,
    MapExport,
    MapGet,
    MapList,
    MapPut,
    MapRemove,
    MapSet,
    MapShow,
    MapUndo,
)
from appliance.control.api.services import ServiceSet
from appliance.control.client import Client
from appliance.control.node import Node
from tests.maps.conftest import People

USERS = ("imap", "pop3", "sieve", "smtp", "submission")


def refusal(act: Callable[[], object]) -> Refused:
    """How this is refused."""
    with pytest.raises(Refused) as refused:
        act()
    return refused.value


def unuse(people: People) -> None:
    """Take the map out of every service's chain."""
    for service in USERS:
        people.ask(ServiceSet(service, {"map": []}))


# --- one entry -----------------------------------------------------------------------------------------------------


def test_get_says_which_entry_matched(people: People) -> None:
    people.load("maria@x.test,alpha\nmaria+boss@x.test,beta\n@y.test,beta\n")
    found = {
        address: people.ask(MapGet("people", address))
        for address in ("Maria@X.test", "maria+tag@x.test", "maria+boss@x.test", "anyone+tag@Y.test", "@y.test")
    }
    assert [(each["backend"], each["entry"], each["match"]) for each in found.values()] == [
        ("alpha", "maria@x.test", "exact"),
        ("alpha", "maria@x.test", "without-tag"),
        ("beta", "maria+boss@x.test", "exact"),
        ("beta", "@y.test", "domain"),
        ("beta", "@y.test", "exact"),
    ]


def test_get_without_a_hit_fails(people: People) -> None:
    people.load("maria@x.test,alpha\n")
    assert refusal(lambda: people.ask(MapGet("people", "jo@x.test"))).status == 1
    assert "no address" in refusal(lambda: people.ask(MapGet("people", "a b@x.test"))).text


def test_put_and_remove(people: People) -> None:
    put = people.ask(MapPut("people", " Maria@X.test", "alpha"))
    assert put == {"map": "people", "address": "maria@x.test", "backend": "alpha", "before": None}
    assert people.ask(MapPut("people", "maria@x.test", "beta"))["before"] == "alpha"
    people.ask(MapPut("people", "@X.test", "alpha"))
    assert people.entries() == {"@x.test": "alpha", "maria@x.test": "beta"}
    assert people.ask(MapRemove("people", "MARIA@x.test"))["before"] == "beta"
    assert people.entries() == {"@x.test": "alpha"}
    assert refusal(lambda: people.ask(MapRemove("people", "maria@x.test"))).status == 1, "@x.test is another entry"


def test_put_the_same_again_changes_nothing(people: People) -> None:
    people.ask(MapPut("people", "maria@x.test", "alpha"))
    before = people.ask(AuditList())
    people.ask(MapPut("people", "maria@x.test", "alpha"))
    assert people.ask(AuditList()) == before


@pytest.mark.parametrize(("address", "backend", "says"), [
    ("maria@x.test", "gamma", "'gamma' is not defined"),
    ("maria x@x.test", "alpha", "no address"),
    ("@", "alpha", "no address"),
])
def test_put_is_checked(people: People, address: str, backend: str, says: str) -> None:
    assert says in refusal(lambda: people.ask(MapPut("people", address, backend))).text
    assert people.entries() == {}


def test_only_own_entries_can_be_changed(people: People) -> None:
    people.ask(MapCreate("filed", {"type": "file", "path": "/etc/hosts"}))
    assert "of type file" in refusal(lambda: people.ask(MapPut("filed", "maria@x.test", "alpha"))).text
    assert "no map nobody" in refusal(lambda: people.ask(MapGet("nobody", "maria@x.test"))).text


# --- all entries ---------------------------------------------------------------------------------------------------


def test_what_is_exported_imports_the_same(people: People) -> None:
    people.load("".join(f"u{number},{number}@x.test,alpha\n" if number % 9 == 0 else f"u{number}@x.test,beta\n"
                        for number in range(3000)), skip_errors=True)
    people.ask(MapPut("people", "a,b@x.test", "alpha"))
    entries = people.entries()
    lines = [f'"{address}",{backend}' for address, backend in entries.items()]
    report = people.load("address,backend\n" + "\n".join(lines), "replace")
    assert (report["same"], report["new"], report["gone"]) == (len(entries), 0, 0)
    assert list(entries) == sorted(entries)


def test_an_export_is_of_one_moment(people: People) -> None:
    people.load("".join(f"u{number:05d}@x.test,alpha\n" for number in range(5000)))
    with Client.connect(people.home) as client:
        pages = client.stream(MapExport("people"))
        seen = list(next(pages).value)
        client.ask(MapPut("people", "u04999@x.test", "beta"))
        client.ask(MapRemove("people", "u04998@x.test"))
        seen += [row for page in pages for row in page.value]
    assert len(seen) == 5000
    assert {backend for _, backend in seen} == {"alpha"}


# --- undo ----------------------------------------------------------------------------------------------------------


def test_undo_goes_back_and_forth(people: People) -> None:
    people.load("a@x.test,alpha\n")
    people.load("b@x.test,beta\nc@x.test,beta\n", "replace")
    assert people.ask(MapShow("people"))["undo"]["entries"] == 1
    assert people.ask(MapUndo("people"))["entries"] == 1
    assert people.entries() == {"a@x.test": "alpha"}
    assert people.ask(MapUndo("people"))["entries"] == 2
    assert people.entries() == {"b@x.test": "beta", "c@x.test": "beta"}


def test_undo_of_the_first_import_empties_the_map(people: People) -> None:
    people.load("a@x.test,alpha\n")
    assert people.ask(MapUndo("people"))["entries"] == 0
    assert people.entries() == {}
    assert people.load("b@x.test,alpha\n")["new"] == 1, "it is empty: no mode is needed"


def test_without_an_import_there_is_nothing_to_undo(people: People) -> None:
    assert "nothing to go back to" in refusal(lambda: people.ask(MapUndo("people"))).text
    people.ask(MapPut("people", "a@x.test", "alpha"))
    assert "nothing to go back to" in refusal(lambda: people.ask(MapUndo("people"))).text
    assert people.ask(MapShow("people"))["undo"] is None


def test_undo_after_seven_days_is_refused(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    people.load("a@x.test,alpha\n")
    later = people.ask(MapShow("people"))["undo"]["until"] + 1
    monkeypatch.setattr("time.time", lambda: later)
    assert "nothing to go back to" in refusal(lambda: people.ask(MapUndo("people"))).text
    assert people.entries() == {"a@x.test": "alpha"}


# --- maps ----------------------------------------------------------------------------------------------------------


def test_list_and_show(people: People) -> None:
    people.load("a@x.test,alpha\nb@x.test,beta\nc@x.test,beta\n")
    people.ask(MapCreate("filed", {"type": "file", "path": "/etc/hosts"}))
    people.ask(ServiceSet("imap", {"map": ["people", "filed"]}))
    filed, own = people.ask(MapList())
    assert filed == {
        "name": "filed", "type": "file", "entries": None, "used_by": ["imap"], "changed": None, "by": ""
    }
    changed = own.pop("changed")
    assert abs(time.time() - changed) < 60
    assert own.pop("by")
    assert own == {"name": "people", "type": "sqlite", "entries": 3, "used_by": list(USERS[:4])}
    shown = people.ask(MapShow("people"))
    assert shown["backends"] == {"alpha": 1, "beta": 2}
    assert [setting["name"] for setting in shown["settings"]] == ["type", "fold", "path", "ldap"]
    assert "backends" not in people.ask(MapShow("filed"))


def test_create_twice_is_refused(people: People) -> None:
    assert "already" in refusal(lambda: people.ask(MapCreate("people", {}))).text
    assert refusal(lambda: people.ask(MapCreate("a b", {}))).status == 1


def test_what_entries_were_made_by_cannot_change_under_them(people: People) -> None:
    people.ask(MapSet("people", {"fold": "none"}))
    people.load("A@x.test,alpha\n")
    assert "1 entry of fold none" in refusal(lambda: people.ask(MapSet("people", {"fold": None}))).text
    assert refusal(lambda: people.ask(MapSet("people", {"type": "file", "path": "/etc/hosts"}))).status == 1
    people.ask(MapUndo("people"))
    people.ask(MapSet("people", {"fold": None}))


def test_a_map_in_use_is_not_deleted(people: People) -> None:
    refused = refusal(lambda: people.ask(MapDelete("people")))
    assert "used by imap, pop3, sieve, smtp" in refused.text


def test_delete_asks_for_the_data_and_is_undone(people: People) -> None:
    unuse(people)
    people.ask(MapSet("people", {"fold": "none"}))
    people.load("A@x.test,alpha\n")
    people.load("b@x.test,beta\n", "merge")
    assert "--delete-data" in refusal(lambda: people.ask(MapDelete("people"))).text
    people.ask(MapDelete("people", delete_data=True))
    assert people.ask(MapList()) == []
    assert "no map people" in refusal(people.entries).text
    with closing(Node.open(people.home)) as node:
        while node.tidy():
            pass
    people.ask(MapUndo("people"))
    assert people.entries() == {"A@x.test": "alpha", "b@x.test": "beta"}
    assert people.ask(MapShow("people"))["settings"][1]["value"] == "none"
    assert people.ask(MapUndo("people"))["entries"] == 1, "and the import before it, still"


def test_a_map_that_never_was_is_not_brought_back(people: People) -> None:
    assert "no map nobody" in refusal(lambda: people.ask(MapUndo("nobody"))).text


def test_an_empty_map_is_deleted_without_asking(people: People) -> None:
    unuse(people)
    people.ask(MapDelete("people"))
    assert people.ask(MapUndo("people"))["entries"] == 0
