"""People by a part of their address, and pages of a map, on a controller that runs."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.control.api import Refused
from appliance.control.api.backends import BackendAdd
from appliance.control.api.maps import MapCreate, MapEntries, MapPut
from appliance.control.api.watch import Find
from tests.control.running import Running
from tests.services.ports import free_port


@pytest.fixture
def peopled(controller: Running) -> Running:
    """With a map of some."""
    for name in ("mail2", "mail3"):
        controller.ask(BackendAdd(name, {"imap": f"127.0.0.1:{free_port()}"}))
    controller.ask(MapCreate("people", {}))
    people = {"anna": "mail2", "maria": "mail2", "otto": "mail3", "rosemarie": "mail3"}
    for name, backend in {**people, "@other.test": "mail3"}.items():
        address = name if name.startswith("@") else f"{name}@example.test"
        controller.ask(MapPut("people", address, backend))
    return controller


@pytest.mark.parametrize(
    ("wanted", "names", "more"),
    [
        ({}, ["", "anna", "maria", "otto", "rosemarie"], False),
        ({"limit": 2}, ["", "anna"], True),
        ({"limit": 2, "after": "anna@example.test"}, ["maria", "otto"], True),
        ({"limit": 2, "after": "maria@example.test"}, ["otto", "rosemarie"], False),
        ({"backend": "mail2"}, ["anna", "maria"], False),
        ({"filter": "mar", "backend": "mail3"}, ["rosemarie"], False),
        ({"filter": "mail2"}, ["anna", "maria"], False),
        ({"filter": "%"}, [], False),
        ({"limit": -1}, [], True),
    ],
)
def test_pages_of_a_map(peopled: Running, wanted: dict[str, Any], names: list[str], more: bool) -> None:
    value = peopled.ask(MapEntries("people", **wanted)).value
    assert [address.partition("@")[0] for address, _ in value["entries"]] == names
    assert value["more"] is more


def test_people_by_a_part_of_their_address(peopled: Running) -> None:
    def names(text: str, **more: Any) -> list[str]:
        return [row["address"].partition("@")[0] for row in peopled.ask(Find(text, **more)).value]

    assert names("Mari") == ["maria", "rosemarie"], "who begins with it comes first"
    assert names("example.test", limit=3) == ["anna", "maria", "otto"]
    assert names("nobody") == []
    (otto,) = peopled.ask(Find("otto")).value
    assert otto == {"address": "otto@example.test", "map": "people", "backend": "mail3", "account": None}
    for text in ("", " ", "x" * 400):
        with pytest.raises(Refused):
            peopled.ask(Find(text))


def test_who_is_called_so_comes_first(peopled: Running) -> None:
    for address in ("mari@z.test", "mari", "maria@example.testing", "mari.anna@example.test", "x.mari@example.test"):
        peopled.ask(MapPut("people", address, "mail2"))

    def found(text: str, **more: Any) -> list[str]:
        return [row["address"] for row in peopled.ask(Find(text, **more)).value]

    beginning = ["mari.anna@example.test", "maria@example.test", "maria@example.testing"]
    within = ["rosemarie@example.test", "x.mari@example.test"]
    assert found("Mari") == ["mari", "mari@z.test", *beginning, *within]
    assert found("mari", limit=2) == ["mari", "mari@z.test"]
    assert found("maria@example.test") == ["maria@example.test", "maria@example.testing"]
    assert found("@example.test") == ["anna@example.test", *sorted([*beginning, "otto@example.test", *within])]
