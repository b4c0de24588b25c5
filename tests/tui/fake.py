"""A node that answers what a test says: for the screens' logic. Each screen also has a story against a real node."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from appliance.control.api import Done, Event, Failed, Progress, Refused, Reply, Request
from appliance.control.client import Client

Answer = Any | Callable[[Any], Any]

WHO = {"name": "maria", "role": "owner", "node": "mail1", "locked": False, "password": True, "totp": False}


class FakeNode:
    """`answers`: by request type; a callable is given the request. `asked`: all requests, in order."""

    def __init__(self, answers: Mapping[type[Request], Answer], facts: Mapping[str, Any] | None = None) -> None:
        self.answers = dict(answers)
        self.facts = dict(facts or {})
        self.asked: list[Request] = []
        self.events: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._over = False

    def connect(self) -> Client:
        """As the console's way to it."""
        return Client(_Way(self))

    def tell(self, topic: str, value: Any) -> None:
        """The watch says that this changed."""
        with self._news:
            self.facts[topic] = value
            self.events.append({"topic": topic, "value": value})
            self._news.notify_all()

    def close(self) -> None:
        """End all streams."""
        with self._news:
            self._over = True
            self._news.notify_all()

    def replies(self, request: Request, file: object) -> Iterator[Reply]:
        """Like a node's."""
        self.asked.append(request)
        if type(request).__struct_config__.tag == "watch":
            yield from self._watch()
            return
        answer = self.answers.get(type(request))
        try:
            value = answer(request) if callable(answer) else answer
        except Refused as refused:
            yield Failed(refused.text, refused.status, refused.value)
            return
        if isinstance(value, Iterator):
            yield from value
        else:
            yield value if isinstance(value, Done | Failed) else Done(value)

    def _watch(self) -> Iterator[Reply]:
        for topic, value in list(self.facts.items()):
            yield Event({"topic": topic, "value": value})
        told = len(self.events)
        while not self._over:
            with self._news:
                self._news.wait(0.2)
            for event in self.events[told:]:
                yield Event(event)
            told = len(self.events)
            yield Progress("watching", 0, 0)


class _Way:
    def __init__(self, node: FakeNode) -> None:
        self._node = node

    def replies(self, request: Request, file: object) -> Any:
        return self._node.replies(request, file)

    def close(self) -> None:
        pass
