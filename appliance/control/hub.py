"""The controller's side of HOME/run/news.sock: generations and news to the workers, their counts and log-ins back.

Must never wait for a worker beyond its limit: one that hangs is named, one that does not read is hung up on (it comes
back and is told everything anew). All state belongs to the loop's thread; handlers, in threads of theirs, use
`publish`, `sessions` and `kick`, which hop there.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec

from appliance import messages, packets
from appliance.control.history import History
from appliance.control.pulse import Pulse
from appliance.control.tally import Failures, Holdings, Tally
from appliance.control.workers import Question, States, Worker, allowed_users
from appliance.home import Home
from appliance.messages import MAX_IDS, BackendState, Message, SessionRow

T = TypeVar("T")

APPLY_SECONDS: Final = 2.0  # that workers may take to serve by a new generation
ANSWER_SECONDS: Final = 1.0  # that workers may take to list or end sessions
RELAY_SECONDS: Final = 0.05  # what a worker should know of the others is held together for this long
REHASH_SECONDS: Final = 1.0
REHASH_HELD: Final = 1000
KEYS_PER_PACKET: Final = 150  # an account's name may have 320 octets, a packet 64 KiB

log = logging.getLogger("postern.control")


class Hub:
    """All workers of this node."""

    def __init__(self, home: Home, history: History, tally: Tally, revision: int) -> None:
        self.history = history
        self.tally = tally
        self.pulse = Pulse()
        self.revision = revision
        self.rehash: Callable[[list[messages.RehashWanted]], object] = lambda wanted: None
        self._allowed = allowed_users(home)
        self._home = home
        self._workers: dict[Worker, None] = {}
        self.states = States()
        self._failures = Failures()
        self._holdings = Holdings()
        self._relaying = False
        self._rehashes: list[messages.RehashWanted] = []
        self._questions: dict[int, Question] = {}
        self._numbers = itertools.count(1)
        self._applied = asyncio.Event()

    # --- from the loop ----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Listen, in the running loop. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        self._home.run.mkdir(mode=0o755, exist_ok=True)
        self._server = packets.listen(self._home.news_sock, 0o666)  # who may speak is checked by SO_PEERCRED
        self._loop.add_reader(self._server, self._accept)

    def close(self) -> None:
        """Hang up on everybody."""
        self._loop.remove_reader(self._server)
        self._server.close()
        self._home.news_sock.unlink(missing_ok=True)
        for worker in list(self._workers):
            self._hang_up(worker)

    def found(self, state: BackendState, by: Worker | None = None) -> None:
        """A back-end's state, from a probe or a worker's breaker: kept, and told to everybody else."""
        self.states.keep(state, self._loop.time())
        self._tell(state, but=by)

    # --- from any thread --------------------------------------------------------------------------------------

    def publish(self, revision: int, certificates: bool = False) -> list[str]:
        """Tell all workers of a generation. Returns the names of those that do not serve by it after 2 s."""
        return self._in_loop(self._publish(revision, certificates))

    def sessions(
        self, user: str = "", service: str = "", backend: str = "", client: str = ""
    ) -> tuple[list[SessionRow], list[str]]:
        """Live sessions that match, and the names of the workers that did not answer within 1 s.

        No filter may be longer than MAX_WORD.
        """
        number = next(self._numbers)
        rows, missing = self._in_loop(self._ask(messages.ListSessions(number, user, service, backend, client)))
        return sorted(rows, key=lambda row: row.since), missing

    def kick(
        self, ids: Sequence[str] = (), user: str = "", service: str = "", backend: str = "", client: str = ""
    ) -> tuple[int, list[str]]:
        """End sessions. Returns how many, and the names of the workers that did not answer within 1 s.

        No id or filter may be longer than MAX_WORD.
        """
        count, missing = 0, set[str]()
        for at in range(0, len(ids) or 1, MAX_IDS):
            lot = list(ids[at : at + MAX_IDS])
            kick = messages.Kick(next(self._numbers), lot, user, service, backend, client)
            counts, silent = self._in_loop(self._ask(kick))
            count, missing = count + sum(counts), missing | set(silent)
        return count, sorted(missing)

    def workers(self) -> list[str]:
        """The names of the connected workers."""
        return [worker.name for worker in list(self._workers) if worker.name]

    def laggards(self) -> list[str]:
        """The workers that do not serve by the newest revision yet."""
        return self._behind(self.revision)

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(APPLY_SECONDS + ANSWER_SECONDS + 5)

    # --- asking -----------------------------------------------------------------------------------------------

    async def _publish(self, revision: int, certificates: bool) -> list[str]:
        self.revision = max(self.revision, revision)
        self._tell(messages.Generation(self.revision, certificates))
        with suppress(TimeoutError):
            async with asyncio.timeout(APPLY_SECONDS):
                while self._behind(revision):
                    self._applied.clear()
                    await self._applied.wait()
        return self._behind(revision)

    def _behind(self, revision: int) -> list[str]:
        return [one.name for one in list(self._workers) if one.name and one.revision < revision]

    async def _ask(self, message: messages.ListSessions | messages.Kick) -> tuple[list[Any], list[str]]:
        question = Question({worker for worker in self._workers if worker.name})
        self._questions[message.request] = question
        self._tell(message)
        with suppress(TimeoutError):
            await asyncio.wait_for(question.over.wait(), ANSWER_SECONDS)
        del self._questions[message.request]
        return question.answers, sorted(worker.name for worker in question.open)

    def _tell(self, message: Message, but: Worker | None = None) -> None:
        for worker in list(self._workers):
            if worker.name and worker is not but:
                self._send(worker, message)

    def _send(self, worker: Worker, message: Message) -> None:
        if not worker.send(message):
            self._hang_up(worker)

    # --- workers come and go ----------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            link, _ = self._server.accept()
        except OSError as error:  # out of descriptors, or it is gone already
            log.error("a worker could not be heard: %s", error)
            return
        link.setblocking(False)
        if packets.peer_of(link)[1] not in self._allowed:
            link.close()
            return
        worker = Worker(link, self._loop)
        self._workers[worker] = None
        self._loop.add_reader(link, self._hear, worker)

    def _hang_up(self, worker: Worker) -> None:
        if worker not in self._workers:
            return
        del self._workers[worker]
        worker.close()
        self.tally.gone(worker)
        self._holdings.gone(worker)
        self._relay_soon()
        self._applied.set()
        for question in self._questions.values():
            question.done_with(worker)

    def _hear(self, worker: Worker) -> None:
        received = packets.receive(worker.link)
        if received is None:
            return
        packet, descriptors = received
        for descriptor in descriptors:
            os.close(descriptor)
        if not packet:
            self._hang_up(worker)
            return
        try:
            message = messages.decode_from_worker(packet)
            HEARD[type(message)](self, worker, message)
        except msgspec.DecodeError as error:
            log.error("%s sent what is no message: %s", worker.name or "a worker", error)
            self._hang_up(worker)

    # --- what they say ----------------------------------------------------------------------------------------

    def _hello(self, worker: Worker, hello: messages.WorkerHello) -> None:
        worker.greet(hello)
        for message in (messages.Generation(self.revision), *self.states.all()):
            self._send(worker, message)
        self._holdings.came()
        self._relay_soon()

    def _has_applied(self, worker: Worker, applied: messages.Applied) -> None:
        worker.revision = max(worker.revision, applied.revision)
        self._applied.set()

    def _ended(self, _: Worker, outcomes: messages.PackedOutcomes) -> None:
        self.history.hear(outcomes)

    def _counted(self, worker: Worker, counters: messages.Counters) -> None:
        self.tally.heard(worker, counters.totals)

    def _failed(self, worker: Worker, seen: messages.FailuresSeen) -> None:
        self._failures.seen(worker, seen.failures)
        self._relay_soon()

    def _holds(self, worker: Worker, held: messages.Held) -> None:
        self._holdings.heard(worker, held.counts)
        self._relay_soon()

    def _relay_soon(self) -> None:
        if not self._relaying:
            self._relaying = True
            self._loop.call_later(RELAY_SECONDS, self._relay)

    def _relay(self) -> None:
        self._relaying = False
        workers = [worker for worker in self._workers if worker.name]
        self._deliver(messages.FailuresElsewhere, self._failures.deliver(workers))
        self._deliver(messages.Held, self._holdings.deliver(workers))

    def _deliver(self, message: Callable[[dict[str, int]], Message], news: dict[object, dict[str, int]]) -> None:
        for worker, counts in news.items():
            items = list(counts.items())
            for at in range(0, len(items), KEYS_PER_PACKET):
                self._send(worker, message(dict(items[at : at + KEYS_PER_PACKET])))  # type: ignore[arg-type]

    def _broke(self, worker: Worker, state: BackendState) -> None:
        self.found(state, worker)

    def _wants_rehash(self, _: Worker, wanted: messages.RehashWanted) -> None:
        if not self._rehashes:
            self._loop.call_later(REHASH_SECONDS, self._pass_on_rehashes)
        if len(self._rehashes) < REHASH_HELD:  # beyond: asked again at the next log-in
            self._rehashes.append(wanted)

    def _pass_on_rehashes(self) -> None:
        wanted, self._rehashes = self._rehashes, []
        self._loop.run_in_executor(None, self.rehash, wanted)

    def _listed(self, worker: Worker, part: messages.Sessions) -> None:
        question = self._questions.get(part.request)
        if question is not None and worker in question.open:
            question.answers += part.sessions
            if not part.more:
                question.done_with(worker)

    def _kicked(self, worker: Worker, kicked: messages.Kicked) -> None:
        question = self._questions.get(kicked.request)
        if question is not None and worker in question.open:
            question.answers.append(kicked.count)
            question.done_with(worker)


HEARD: Final[dict[type[Message], Callable[[Hub, Worker, Any], None]]] = {
    messages.WorkerHello: Hub._hello,
    messages.Applied: Hub._has_applied,
    messages.PackedOutcomes: Hub._ended,
    messages.Counters: Hub._counted,
    messages.FailuresSeen: Hub._failed,
    messages.Held: Hub._holds,
    messages.BackendState: Hub._broke,
    messages.RehashWanted: Hub._wants_rehash,
    messages.Sessions: Hub._listed,
    messages.Kicked: Hub._kicked,
}
