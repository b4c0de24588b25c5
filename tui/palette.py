"""`:` - every place by name, and what can be done on the screen that is open."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.place import places

if TYPE_CHECKING:
    from tui.app import Console


class Palette(Provider):
    """Places."""

    async def discover(self) -> Hits:
        """All of them, while nothing is typed."""
        for place in places().values():
            yield DiscoveryHit(place.name, partial(self._console().go, place.name), help=place.help)

    async def search(self, query: str) -> Hits:
        """Those that match; `sessions maria` goes there with a subject."""
        name, _, subject = query.strip().partition(" ")
        matcher = self.matcher(name)
        for place in places().values():
            score = 2.0 if place.name.startswith(name) else matcher.match(place.name)
            if score > 0:
                shown = f"{place.name} {subject}".strip()
                yield Hit(score, shown, partial(self._console().go, place.name, subject.strip()), help=place.help)

    def _console(self) -> Console:
        return cast("Console", self.app)
