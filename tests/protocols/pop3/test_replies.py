"""POP3's words for every refusal, and its fixed lines."""

from __future__ import annotations

import re

import pytest

from appliance.protocols.pop3 import replies
from appliance.terms import Refusal


@pytest.mark.parametrize("refusal", list(Refusal))
def test_every_refusal_has_its_words(refusal: Refusal) -> None:
    code, words = replies.REFUSALS[refusal]
    assert re.fullmatch(rb"AUTH|IN-USE|SYS/TEMP|SYS/PERM|", code) and re.fullmatch(rb"[ -~]+", words)
    assert replies.REFUSED[refusal] == (b"-ERR [%b] %b\r\n" % (code, words) if code else b"-ERR %b\r\n" % words)
    assert len(replies.REFUSED[refusal]) <= 512  # RFC 2449, 4


def test_nothing_stale() -> None:
    assert set(replies.REFUSALS) == set(replies.REFUSED) == set(Refusal)


@pytest.mark.parametrize("refusal", list(Refusal))
def test_who_must_not_learn_more_hears_the_same(refusal: Refusal) -> None:
    assert replies.REFUSED[refusal] == replies.REFUSED[refusal.told]


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refusal.BAD_CREDENTIALS, b"AUTH"),
        (Refusal.NOT_PERMITTED, b"AUTH"),
        (Refusal.EXPIRED, b"AUTH"),
        (Refusal.TLS_REQUIRED, b""),
        (Refusal.BACKEND_DOWN, b"SYS/TEMP"),
        (Refusal.BACKEND_REFUSED, b"SYS/TEMP"),
        (Refusal.TRY_LATER, b"SYS/TEMP"),
        (Refusal.MISCONFIGURED, b"SYS/PERM"),
        (Refusal.LIMIT, b"IN-USE"),
        (Refusal.LOOP, b"SYS/PERM"),
    ],
)
def test_the_codes_of_rfc_2449_and_3206(refusal: Refusal, code: bytes) -> None:
    assert replies.REFUSALS[refusal][0] == code


@pytest.mark.parametrize(("stls", "may_log_in"), [(True, False), (True, True), (False, True)])
@pytest.mark.parametrize("promised", [frozenset(), frozenset({"TOP", "UTF8", "LANG", "STLS", "USER", "SASL=PLAIN"})])
def test_only_what_we_answer_is_offered(stls: bool, may_log_in: bool, promised: frozenset[str]) -> None:
    lines = replies.capability(stls, may_log_in, promised).split(b"\r\n")
    assert lines[0][:3] == b"+OK" and lines[-2:] == [b".", b""]
    offered = set(lines[1:-2])
    assert {b"RESP-CODES", b"AUTH-RESP-CODE"} <= offered
    assert (b"STLS" in offered) is stls
    assert (b"USER" in offered) is (b"SASL PLAIN LOGIN" in offered) is may_log_in
    assert (b"TOP" in offered) is ("TOP" in promised)
    assert not offered & {b"UTF8", b"LANG"}


def test_the_greeting_has_no_timestamp() -> None:
    assert replies.greeting("mx.example.test") == b"+OK mx.example.test ready\r\n"
