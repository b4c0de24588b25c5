"""Where a node keeps its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.home import DEFAULT, Home


def test_which_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("POSTERN_HOME", raising=False)
    assert Home.find() == Home(DEFAULT) == Home(Path("/var/lib/postern"))
    monkeypatch.setenv("POSTERN_HOME", "/from/environment")
    assert Home.find() == Home(Path("/from/environment"))
    assert Home.find("/given") == Home(Path("/given"))
    monkeypatch.setenv("POSTERN_HOME", "")
    assert Home.find() == Home(DEFAULT)
    monkeypatch.chdir(tmp_path)
    assert Home.find("relative").path == tmp_path / "relative", "a role may be in another folder"


def test_every_file_has_its_place_below_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    places = {name: getattr(home, name) for name, value in vars(Home).items() if isinstance(value, property)}
    assert len(set(places.values())) == len(places) > 10
    assert all(place.is_relative_to(home.path) for place in places.values())
    assert str(home.control_sock) == f"{home.path}/control.sock", "which scripts rely on"
    assert not home.path.exists(), "it only names places"
