"""What everyone passes around: secrets that do not show, refusals that give nothing away."""

from __future__ import annotations

import copy
import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.terms import ABSENT, Absent, Credentials, Endpoint, Refusal, Route, Secret


@given(st.binary())
def test_a_secret_shows_only_stars(octets: bytes) -> None:
    octets = b"hunter2" + octets
    secret = Secret(octets)
    for shown in (f"{secret}", f"{secret!r}", f"{[secret]}", format(secret), repr(Credentials("maria", secret))):
        assert "***" in shown and "hunter2" not in shown
    assert secret.reveal() == octets


@given(st.binary(), st.binary())
def test_secrets_are_equal_when_their_octets_are(one: bytes, other: bytes) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)
    assert Secret(one) == Secret(bytes(one)) and Secret(one) != one


def test_a_secret_leaves_this_process_by_no_way_but_reveal() -> None:
    secret = Secret(b"hunter2")
    for leak in (hash, pickle.dumps, copy.deepcopy, msgspec.json.encode, msgspec.msgpack.encode):
        with pytest.raises(TypeError) as raised:
            leak(secret)
        assert "hunter2" not in str(raised.value)
    with pytest.raises(TypeError):
        msgspec.json.encode(Credentials("maria", secret))


def test_a_route_does_not_show_its_password() -> None:
    route = Route(Endpoint("mail1", "127.0.0.1", 143), "a@b", "a@b", "a@b", Secret(b"hunter2"), "map people")
    assert "hunter2" not in repr(route)


def test_a_stranger_cannot_tell_these_apart() -> None:
    alike = {refusal for refusal in Refusal if refusal.told is Refusal.BAD_CREDENTIALS}
    assert alike == {Refusal.BAD_CREDENTIALS, Refusal.UNKNOWN_HERE, Refusal.DISABLED, Refusal.BANNED}
    assert all(refusal.told is refusal for refusal in set(Refusal) - alike)


def test_which_refusals_count_as_guesses() -> None:
    failures = {refusal for refusal in Refusal if refusal.is_failure}
    assert failures == {Refusal.BAD_CREDENTIALS, Refusal.UNKNOWN_HERE, Refusal.DISABLED, Refusal.BANNED,
                        Refusal.NOT_PERMITTED}
    assert not Refusal.BACKEND_DOWN.is_failure, "an outage is never a wrong password"


def test_absent_is_one_value() -> None:
    assert Absent("absent") is ABSENT and list(Absent) == [ABSENT]
