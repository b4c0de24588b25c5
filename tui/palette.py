"""`:` - every place by name, what can be done on the screen that is open, and people.

Must never show an address that was not escaped: it is handed on as plain text, not as markup.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from rich.text import Text
from textual.binding import ActiveBinding
from textual.command import DiscoveryHit, Hit, Hits, Provider

from appliance.control.api import Refused
from appliance.control.api.watch import Find
from tui.place import places
from tui.words import plain

if TYPE_CHECKING:
    from tui.app import Console

PEOPLE: Final = 5
LETTERS: Final = 3  # of somebody, before people are looked for
PAUSE: Final = 0.15  # seconds without a key, likewise


class Palette(Provider):
    """Places, actions, people, in this order."""

    async def discover(self) -> Hits:
        """Places and actions, while nothing is typed."""
        for place in places().values():
            yield DiscoveryHit(place.name, partial(self._console().go, place.name), help=place.help)
        for active in self._actions():
            yield DiscoveryHit(active.binding.description, partial(self._run, active), help=self._key(active))

    async def search(self, query: str) -> Hits:
        """Those that match; `sessions maria` goes there with a subject."""
        name, _, subject = query.strip().partition(" ")
        matcher = self.matcher(name)
        for place in places().values():
            score = 3.0 if place.name.startswith(name) else matcher.match(place.name)
            if score > 0:
                shown = f"{place.name} {plain(subject.strip())}".strip()
                go = partial(self._console().go, place.name, subject.strip())
                yield Hit(score, Text(shown), go, text=shown, help=place.help)
        matcher = self.matcher(query.strip())
        for active in self._actions():
            said = active.binding.description
            if matcher.match(said) > 0:
                yield Hit(1.0, Text(said), partial(self._run, active), text=said, help=self._key(active))
        for address in await self._people(query.strip()):
            go = partial(self._console().go, "person", address)
            yield Hit(0.5, Text(plain(address)), go, text=plain(address), help="a person")

    def _actions(self) -> list[ActiveBinding]:
        """What keys do here, other than moving about; each once."""
        found = {
            active.binding.action: active
            for active in self.screen.active_bindings.values()
            if active.enabled and active.binding.description and active.node in (self.screen, self.app)
        }
        return [active for action, active in found.items() if "command_palette" not in action]

    async def _run(self, active: ActiveBinding) -> None:
        await self.app.run_action(active.binding.action, active.node)

    def _key(self, active: ActiveBinding) -> str:
        return f"here, by the key {self.app.get_key_display(active.binding)}"

    async def _people(self, text: str) -> list[str]:
        if len(text) < LETTERS:
            return []
        await asyncio.sleep(PAUSE)  # the next key cancels this search
        try:
            found = (await self._console().node.ask(Find(text, PEOPLE))).value
        except Refused:
            return []
        return [one["address"] for one in found]

    def _console(self) -> Console:
        return cast("Console", self.app)
