"""The spine of all session protocols, with a protocol of two words: what it asks of the world, in which order."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from appliance.protocols.conversation import (
    BACKEND,
    CLIENT,
    Admit,
    Dial,
    Door,
    Effect,
    Gone,
    HangUp,
    LineTooLong,
    Misspoken,
    Refuse,
    Send,
    Step,
    Wait,
    read_line,
)
from appliance.protocols.handover import Turned, down, hand_over
from appliance.terms import Credentials, Endpoint, Limits, Refusal, Route, Secret

CREDENTIALS = Credentials("maria", Secret(b"pw"))
ROUTE = Route(Endpoint("beta", "192.0.2.1", 110), "maria", "maria", "maria", Secret(b"pw"), "map people")
DOOR = Door("mx", True, False, True, "192.0.2.7", 4711, "s1", Limits(retries=2, retry_pause=3))


def log_in(route: Route) -> Step[str | Turned]:
    """The store says yes, no or busy."""
    line = yield from read_line(BACKEND, 99)
    if line == b"yes":
        return route.login
    return down("busy") if line == b"busy" else Turned(Refusal.BAD_CREDENTIALS, "no")


def play(*answers: object, leave: bytes = b"", door: Door = DOOR) -> tuple[str | Turned | None, list[Effect]]:
    """The outcome, and the effects up to it. An exception among the answers is raised."""
    effects: list[Effect] = []
    run = hand_over(door, CREDENTIALS, log_in, leave)
    given: list[object] = [None, *answers]
    while True:
        answer = given.pop(0) if given else None
        try:
            effects.append(run.throw(answer) if isinstance(answer, BaseException) else run.send(answer))
        except StopIteration as end:
            return end.value, effects


def names(effects: list[Effect]) -> str:
    return " ".join(type(effect).__name__ for effect in effects)


def test_a_welcome_is_returned_with_the_store_connected() -> None:
    outcome, effects = play(ROUTE, None, b"yes")
    assert (outcome, names(effects)) == ("maria", "Admit Dial ReadLine")


def test_a_refusal_of_admission_is_final_and_counted() -> None:
    outcome, effects = play(Refusal.BACKEND_DOWN)
    assert outcome == Turned(Refusal.BACKEND_DOWN)
    assert names(effects) == "Admit Refuse"


def test_a_verdict_is_final() -> None:
    outcome, effects = play(ROUTE, None, b"no")
    assert isinstance(outcome, Turned) and outcome.refusal is Refusal.BAD_CREDENTIALS
    assert names(effects) == "Admit Dial ReadLine HangUp Refuse"
    assert [effect.why for effect in effects if isinstance(effect, HangUp)] == [""]


def test_each_try_asks_for_a_route_again_and_the_pauses_are_the_limits() -> None:
    down_ = Refusal.BACKEND_DOWN
    outcome, effects = play(ROUTE, down_, None, ROUTE, down_, None, ROUTE, None, b"yes")
    assert outcome == "maria"
    assert names(effects) == "Admit Dial Wait Admit Dial Wait Admit Dial ReadLine"
    assert [effect.seconds for effect in effects if isinstance(effect, Wait)] == [3, 3]


def test_tries_end() -> None:
    outcome, effects = play(*[ROUTE, Refusal.BACKEND_DOWN, None] * 3)
    assert isinstance(outcome, Turned) and outcome.refusal is Refusal.BACKEND_DOWN
    assert names(effects).count("Dial") == 3 and names(effects).endswith("Dial Refuse")


@pytest.mark.parametrize("refusal", [Refusal.MISCONFIGURED, Refusal.TRY_LATER, Refusal.LOOP])
def test_a_dial_that_fails_otherwise_is_final(refusal: Refusal) -> None:
    assert names(play(ROUTE, refusal)[1]) == "Admit Dial Refuse"


def test_a_busy_store_is_left_with_the_reason_and_tried_again() -> None:
    outcome, effects = play(ROUTE, None, b"busy", None, None, ROUTE, None, b"yes")
    assert outcome == "maria"
    assert names(effects) == "Admit Dial ReadLine HangUp Wait Admit Dial ReadLine"
    assert [effect.why for effect in effects if isinstance(effect, HangUp)] == ["busy"]


def test_a_store_that_is_gone_is_tried_again_but_not_one_that_is_silent() -> None:
    _, effects = play(ROUTE, None, Gone(BACKEND, "closed"), None, None, ROUTE, None, b"yes")
    assert names(effects) == "Admit Dial ReadLine HangUp Wait Admit Dial ReadLine"
    outcome, effects = play(ROUTE, None, Gone(BACKEND, "silent", silent=True))
    assert names(effects) == "Admit Dial ReadLine HangUp Refuse"
    assert isinstance(outcome, Turned) and (outcome.refusal, outcome.why) == (Refusal.BACKEND_DOWN, "silent")


@pytest.mark.parametrize("trouble", [LineTooLong(BACKEND), Misspoken(BACKEND, "nonsense")])
def test_a_store_that_talks_nonsense_is_not_tried_again(trouble: Exception) -> None:
    outcome, effects = play(ROUTE, None, trouble)
    assert isinstance(outcome, Turned) and outcome.refusal is Refusal.BACKEND_REFUSED
    assert names(effects) == "Admit Dial ReadLine HangUp Refuse"


def test_a_client_that_leaves_ends_it() -> None:
    with pytest.raises(Gone):
        play(ROUTE, None, Gone(CLIENT, "closed"))


def test_a_store_is_told_good_bye_where_that_matters() -> None:
    _, effects = play(ROUTE, None, b"no", leave=b"QUIT\r\n")
    assert names(effects) == "Admit Dial ReadLine Send HangUp Refuse"
    farewell = effects[3]
    assert isinstance(farewell, Send) and (farewell.to, farewell.data) == (BACKEND, b"QUIT\r\n")
    assert "Send" not in names(play(ROUTE, None, Gone(BACKEND, "closed", silent=True), leave=b"QUIT\r\n")[1])


def test_a_store_that_was_hung_up_on_needs_no_good_bye() -> None:
    outcome, effects = play(ROUTE, None, b"no", Gone(BACKEND, "hung up on"), leave=b"QUIT\r\n")
    assert isinstance(outcome, Turned) and outcome.refusal is Refusal.BAD_CREDENTIALS
    assert names(effects) == "Admit Dial ReadLine Send HangUp Refuse"


def test_what_is_counted_is_what_happened() -> None:
    _, effects = play(ROUTE, None, b"no")
    refused = effects[-1]
    assert isinstance(refused, Refuse) and (refused.refusal, refused.why) == (Refusal.BAD_CREDENTIALS, "no")
    assert isinstance(effects[0], Admit) and effects[0].credentials is CREDENTIALS
    assert isinstance(effects[1], Dial) and effects[1].route is ROUTE


def test_who_has_passed_too_many_front_ends_goes_no_further() -> None:
    outcome, effects = play(None, door=replace(DOOR, ttl=0))
    assert (outcome, names(effects)) == (Turned(Refusal.LOOP), "Refuse")


def test_who_finds_no_room_is_told_so_once_the_store_has_said_yes() -> None:
    crowded = replace(ROUTE, full="sessions_per_account is 3")
    outcome, effects = play(crowded, None, b"yes", leave=b"QUIT\r\n")
    assert outcome == Turned(Refusal.LIMIT, "sessions_per_account is 3")
    assert names(effects) == "Admit Dial ReadLine Send HangUp Refuse"
    refused = effects[-1]
    assert isinstance(refused, Refuse) and refused.refusal is Refusal.LIMIT
    refused = play(crowded, None, b"no")[1][-1]
    assert isinstance(refused, Refuse) and refused.refusal is not Refusal.LIMIT, "it tells of others' sessions"
