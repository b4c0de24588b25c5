"""Asking the mail stores, every probe_seconds, whether they live.

Must never call a store down for one lost packet: a probe that fails is repeated before anybody is told.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

from appliance.control.hub import Hub
from appliance.control.visit import check, probe
from appliance.messages import BackendState
from appliance.terms import Endpoint

__all__ = ["Prober", "check"]

AGAIN_SECONDS: Final = 1.0  # between a first failed probe and the one that decides
PROBE_SECONDS: Final = 5.0  # that each step of a probe may take


class Prober:
    """One task per endpoint of the configuration."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._tasks: dict[tuple[str, Endpoint], asyncio.Task[None]] = {}
        self._every = 10.0
        self._breaker_seconds = 30.0

    def plan(self, wanted: set[tuple[str, Endpoint]], every: float, breaker_seconds: float) -> None:
        """Watch these endpoints (service, endpoint) and no others. Call it in the loop."""
        self._every, self._breaker_seconds = every, breaker_seconds
        for key in self._tasks.keys() - wanted:
            self._tasks.pop(key).cancel()
        for service, endpoint in wanted - self._tasks.keys():
            self._tasks[service, endpoint] = asyncio.create_task(self._watch(service, endpoint))
        self._hub.states.forget_all_but({(endpoint.backend, service) for service, endpoint in wanted})

    def close(self) -> None:
        """Watch nothing any more."""
        for task in self._tasks.values():
            task.cancel()

    async def _watch(self, service: str, endpoint: Endpoint) -> None:
        await asyncio.sleep(random.uniform(0, min(1.0, self._every)))  # noqa: S311 - spreads load, no secret
        was_up: bool | None = None
        while True:
            reason, offers = await self._probe(service, endpoint)
            self._tell(endpoint.backend, service, was_up, reason, offers)
            was_up = not reason
            await asyncio.sleep(self._every * random.uniform(0.8, 1.2))  # noqa: S311

    async def _probe(self, service: str, endpoint: Endpoint) -> tuple[str, str]:
        """Empty, or why it is down; and what it offers in its greeting."""
        for pause in (AGAIN_SECONDS, 0):
            began = _now()
            last, offered = await probe(service, endpoint, seconds=PROBE_SECONDS)
            if last.ok:
                self._hub.states.answered(endpoint.backend, service, 1000 * (_now() - began))
                return "", offered
            await asyncio.sleep(pause)
        return f"{last.name}: {last.result}", ""

    def _tell(self, backend: str, service: str, was_up: bool | None, reason: str, offers: str) -> None:
        """Every failure, so that no client need try meanwhile; of the rest only news.

        A worker's breaker saw real log-ins fail: a greeting alone overrules it after its time only.
        """
        known, since = self._hub.states.of(backend, service) or (None, 0.0)
        if reason or known is None:
            news = True
        elif known.up:
            news = offers not in ("", known.capabilities)
        else:
            news = was_up is False or _now() - since > self._breaker_seconds
        if news:
            self._hub.found(BackendState(backend, service, not reason, reason, offers))


def _now() -> float:
    return asyncio.get_running_loop().time()
