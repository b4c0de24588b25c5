"""ManageSieve's words for every refusal, its fixed lines, and the block of capabilities."""

from __future__ import annotations

import re

import pytest

from appliance.protocols.managesieve import replies
from appliance.routing.told import told
from appliance.terms import Refusal, Service

CODES = {b"", b"ENCRYPT-NEEDED", b"TRYLATER"}  # of RFC 5804, 1.3, those that a refused log-in may have


@pytest.mark.parametrize("refusal", list(Refusal))
def test_every_refusal_has_its_words(refusal: Refusal) -> None:
    code, words = replies.REFUSALS[refusal]
    assert code in CODES and re.fullmatch(rb'[^"\\]+', words) and words.isascii()
    assert replies.REFUSED[refusal] == b'NO %b"%b"\r\n' % (b"(%b) " % code if code else b"", words)


def test_nothing_stale() -> None:
    assert set(replies.REFUSALS) == set(replies.REFUSED) == set(Refusal)


@pytest.mark.parametrize("refusal", list(Refusal))
def test_who_must_not_learn_more_hears_the_same(refusal: Refusal) -> None:
    assert replies.REFUSED[refusal] == replies.REFUSED[refusal.told]


@pytest.mark.parametrize("refusal", list(Refusal))
def test_explanations_name_the_code_that_is_told(refusal: Refusal) -> None:
    code = replies.REFUSALS[refusal][0].decode()
    assert told(Service.SIEVE, refusal) == (f"NO ({code})" if code else "NO")


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refusal.BAD_CREDENTIALS, b""),
        (Refusal.TLS_REQUIRED, b"ENCRYPT-NEEDED"),
        (Refusal.BACKEND_DOWN, b"TRYLATER"),
        (Refusal.LIMIT, b"TRYLATER"),
        (Refusal.MISCONFIGURED, b""),
    ],
)
def test_what_may_pass_is_told_as_passing(refusal: Refusal, code: bytes) -> None:
    assert replies.REFUSALS[refusal][0] == code


@pytest.mark.parametrize(("starttls", "may_log_in"), [(True, False), (True, True), (False, True)])
def test_the_block_has_what_must_be_there(starttls: bool, may_log_in: bool) -> None:
    lines = replies.capabilities("mail.example.test", starttls, may_log_in).split(b"\r\n")
    assert {b'"IMPLEMENTATION" "Postern"', b'"SIEVE" "fileinto"', b'"VERSION" "1.0"'} <= set(lines)
    assert (b'"STARTTLS"' in lines) is starttls
    assert (b'"SASL" "PLAIN LOGIN"' if may_log_in else b'"SASL" ""') in lines
    assert lines[-2:] == [b'OK "mail.example.test ready"', b""]


def test_of_what_stores_share_only_what_is_of_use_is_told() -> None:
    promised = frozenset({"SIEVE=vacation", "SIEVE=x;y", "NOTIFY=mailto", "UNAUTHENTICATE=", "MAXREDIRECTS=4"})
    lines = replies.capabilities("h", False, True, promised).split(b"\r\n")
    assert lines[1:4] == [b'"SIEVE" "vacation x;y"', b'"NOTIFY" "mailto"', b'"MAXREDIRECTS" "4"']
    assert not [line for line in lines if b"UNAUTH" in line]
