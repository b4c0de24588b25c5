"""A home with two back-ends and an empty map, asked as the commands ask: while no node runs, and while one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.control.api import Progress, Refused, Request
from appliance.control.api.backends import BackendAdd
from appliance.control.api.maps import MapCreate, MapExport, MapImport
from appliance.control.client import Client
from appliance.home import Home
from db import maps
from db.connect import reader
from tests.control.conftest import controller, founded, home, worker

__all__ = ["controller", "founded", "home", "many", "people", "worker"]

MANY = 1_000_000


class People:
    """The map "people" of a home, and everything that can be asked about it."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home = home
        self.folder = folder
        for name in ("alpha", "beta"):
            self.ask(BackendAdd(name, {"imap": "127.0.0.1:1143"}))
        self.ask(MapCreate("people", {}))

    def ask(self, request: Request, **more: Any) -> Any:
        """The value of the answer. Raises Refused."""
        with Client.connect(self.home) as client:
            return client.ask(request, **more).value

    def load(self, content: str | bytes, mode: str = "", **more: Any) -> Any:
        """Import a file with this content."""
        path = self.folder / "people.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.load_file(path, mode, **more)

    def load_file(self, path: Path, mode: str = "", progress: Any = None, **more: Any) -> Any:
        """Import a file."""
        with path.open("rb") as file:
            request = MapImport("people", path.name, mode=mode, **more)  # type: ignore[arg-type]
            return self.ask(request, file=file, progress=progress)

    def refused(self, content: str | bytes, mode: str = "", **more: Any) -> Refused:
        """How an import of this content is refused."""
        before = self.entries()
        with pytest.raises(Refused) as refused:
            self.load(content, mode, **more)
        assert self.entries() == before, "what is refused changes nothing"
        return refused.value

    def entries(self) -> dict[str, str]:
        """All entries, by export."""
        with Client.connect(self.home) as client:
            pages = [event.value for event in client.stream(MapExport("people"))]
        return {address: backend for page in pages for address, backend in page}

    def unfinished(self) -> list[maps.Import]:
        """Imports that neither came to their end nor were given up."""
        with closing(reader(self.home.config_db)) as connection:
            return maps.unfinished(connection)


@pytest.fixture
def people(home: Home, tmp_path: Path) -> People:
    """A map to import into; no node runs, unless the test starts one."""
    return People(home, tmp_path)


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A million lines, in no order of their addresses; removed when the run ends."""
    path = tmp_path_factory.mktemp("many") / "people.csv"
    with path.open("w") as file:
        for number in range(1, MANY + 1):
            file.write(f"{line_of_many(number)}\n")
    yield path
    path.unlink()


def line_of_many(number: int) -> str:
    """Line `number` of that file."""
    shuffled = number * 7_368_787 % 10_000_019  # a prime: no two the same
    return f"user{shuffled:08d}@example{number % 7}.test,{'alpha' if number % 3 else 'beta'}"


class Phases:
    """Progress as it came: the phases in their order, each with the last `done` and `total`."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[int, int]] = {}

    def __call__(self, progress: Progress) -> None:
        before = self.last.get(progress.phase, (0, 0))[0]
        assert progress.done >= before
        assert progress.done <= progress.total or not progress.total
        self.last[progress.phase] = progress.done, progress.total
