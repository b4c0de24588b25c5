"""Changes on trial: made by the handler of their own request, taken back as `audit revert` does."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import msgspec
from msgspec.structs import replace

from appliance.control import trial
from appliance.control.api import Done, Failed, Refused, Request
from appliance.control.api.backends import BackendAdd, BackendDrain, BackendEnable, BackendRemove, BackendSet
from appliance.control.api.certificates import CertAdd, CertRemove
from appliance.control.api.config import ConfigApply
from appliance.control.api.services import ServiceSet
from appliance.control.api.trial import GiveUp, Keep, Try
from appliance.control.commands import OPERATOR, By, Command, Node, answer, request_decoder
from appliance.control.commands.audit import taken_back
from appliance.control.trial import Trials
from db import meta
from db.trials import Trial

SHORTEST, LONGEST = 5.0, 3600.0  # seconds
# What is one change of the configuration, which a revert takes back whole.
TRIED: Final = frozenset({
    ServiceSet, ConfigApply, CertAdd, CertRemove, BackendAdd, BackendSet, BackendRemove, BackendDrain, BackendEnable,
})  # fmt: skip


def attempt(node: Node, by: By, request: Try, file: BinaryIO | None) -> Done | Failed:
    """Carry out, for now."""
    trials, wanted = _trials(node), _request(request.request)
    if not SHORTEST <= request.seconds <= LONGEST:
        raise Refused(f"a trial lasts {SHORTEST:g} to {LONGEST:g} seconds")
    before = meta.revision(node.reader())
    with trials.begin(by, request.seconds, before) as made:
        *_, last = answer(node, replace(by, origin=by.origin + trial.MARK), wanted)
        if not isinstance(last, Done):
            assert isinstance(last, Failed)
            return last
        found = trial.record_of(node, Trial("", 0, 0, by.name, by.origin + trial.MARK, before, 0))
        if found is None:
            raise Refused("this changes nothing: there is nothing to try")
        begun = made(found.revision)
    return Done({"id": begun.id, "until": begun.until, "done": last.value}, last.note)


def keep(node: Node, by: By, request: Keep, file: BinaryIO | None) -> Done:
    """It stays."""
    kept = _trials(node).keep(request.id)
    return Done({"id": kept.id, "revision": kept.revision})


def give_up(node: Node, by: By, request: GiveUp, file: BinaryIO | None) -> Done:
    """Away with it."""
    done: list[Done] = []

    def take_back(one: Trial) -> None:
        done.extend(_taken_back(node, by, one, f"on trial by {one.by}, given up"))

    ended = _trials(node).give_up(take_back)
    return Done({"id": ended.id, **(done[0].value if done else {})}, done[0].note if done else "")


def not_kept(node: Node, one: Trial) -> None:
    """Take it back as nobody said "keep". For the clock's thread. Raises Refused."""
    try:
        clock = By("postern", f"nobody kept it for {one.seconds:g} s")
        _taken_back(node, clock, one, f"on trial by {one.by}, not kept")
    finally:
        node.close_reader()


def _taken_back(node: Node, by: By, one: Trial, why: str) -> list[Done]:
    """Nothing, if the node was killed before it made the change."""
    record = trial.record_of(node, one)
    return [taken_back(node, by, record, why)] if record is not None else []


def _trials(node: Node) -> Trials:
    if node.trials is None:
        raise Refused("the node does not run: nothing could take the change back, and nobody can be locked out")
    return node.trials


def _request(given: dict[str, Any]) -> Request:
    try:
        request = request_decoder().decode(msgspec.json.encode(given))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"not a request of this release: {error}", 2) from error
    if type(request) not in TRIED:
        raise Refused("this cannot be tried: only changes of services, certificates, back-ends and the whole file can")
    return request


HANDLERS: Final[dict[type[Request], Command]] = {
    Try: Command(attempt, OPERATOR),
    Keep: Command(keep, OPERATOR),
    GiveUp: Command(give_up, OPERATOR),
}
