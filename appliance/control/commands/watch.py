"""Looking on: the overview once or as it changes, and people by a part of their address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from appliance.control.api import Done, Event, Progress, Refused, Reply, Request
from appliance.control.api.watch import TOPICS, Find, Overview, Watch
from appliance.control.commands import VIEWER, By, Command, Node, bounded
from appliance.control.lookout import Lookout
from appliance.control.people import LONGEST, find

MOST: Final = 500  # people of one answer


def watch(node: Node, by: By, request: Watch, file: BinaryIO | None) -> Iterator[Reply]:
    """See Watch."""
    if wrong := [topic for topic in request.topics if topic not in TOPICS]:
        raise Refused(f"there is no topic {wrong[0]!r} (there is: {', '.join(TOPICS)})", 2)
    if node.lookout is None:
        seen = Lookout(node).now()
        yield from (Event({"topic": topic, "value": seen[topic]}) for topic in dict.fromkeys(request.topics))
        yield Done(None, "the node does not run: nothing will change")
        return
    for news in node.lookout.watch(request.topics):
        yield from (Event({"topic": topic, "value": value}) for topic, value in news.items())
        yield Progress("watching", 0, 0)
    yield Done()


def overview(node: Node, by: By, request: Overview, file: BinaryIO | None) -> Done:
    """See Overview."""
    seen = (node.lookout or Lookout(node)).now()
    return Done({"overview": seen["overview"], "alerts": seen["alerts"]})


def people(node: Node, by: By, request: Find, file: BinaryIO | None) -> Done:
    """See Find."""
    text = request.text.strip()
    if not text:
        raise Refused("say a part of the address", 2)
    if len(text) > LONGEST:
        raise Refused(f"no address is longer than {LONGEST} characters")
    return Done(find(node, text, bounded(request.limit, MOST)))


HANDLERS: Final[dict[type[Request], Command]] = {
    Watch: Command(watch, VIEWER),
    Overview: Command(overview, VIEWER),
    Find: Command(people, VIEWER),
}
