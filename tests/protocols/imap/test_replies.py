"""IMAP's words for every refusal, and its fixed lines."""

from __future__ import annotations

import re

import pytest

from appliance.protocols.imap import replies
from appliance.terms import Refusal


@pytest.mark.parametrize("refusal", list(Refusal))
def test_every_refusal_has_its_words(refusal: Refusal) -> None:
    code, words = replies.REFUSALS[refusal]
    assert re.fullmatch(rb"[A-Z]+", code) and re.fullmatch(rb"[ -~]+", words)
    assert replies.REFUSED[refusal] == b" NO [%b] %b\r\n" % (code, words)


def test_nothing_stale() -> None:
    assert set(replies.REFUSALS) == set(replies.REFUSED) == set(Refusal)


@pytest.mark.parametrize("refusal", list(Refusal))
def test_who_must_not_learn_more_hears_the_same(refusal: Refusal) -> None:
    assert replies.REFUSED[refusal] == replies.REFUSED[refusal.told]


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refusal.BAD_CREDENTIALS, b"AUTHENTICATIONFAILED"),
        (Refusal.NOT_PERMITTED, b"AUTHORIZATIONFAILED"),
        (Refusal.EXPIRED, b"EXPIRED"),
        (Refusal.TLS_REQUIRED, b"PRIVACYREQUIRED"),
        (Refusal.BACKEND_DOWN, b"UNAVAILABLE"),
        (Refusal.TRY_LATER, b"UNAVAILABLE"),
        (Refusal.MISCONFIGURED, b"SERVERBUG"),
        (Refusal.LIMIT, b"LIMIT"),
        (Refusal.LOOP, b"SERVERBUG"),
    ],
)
def test_the_codes_of_rfc_5530(refusal: Refusal, code: bytes) -> None:
    assert replies.REFUSALS[refusal][0] == code


@pytest.mark.parametrize(("starttls", "may_log_in"), [(True, False), (True, True), (False, True)])
def test_the_greeting_offers_only_what_we_answer(starttls: bool, may_log_in: bool) -> None:
    offered = replies.capability(starttls, may_log_in).split()
    assert offered[:4] == [b"IMAP4rev1", b"SASL-IR", b"LITERAL-", b"ID"]
    assert (b"STARTTLS" in offered) is starttls
    assert (b"LOGINDISABLED" in offered) is not may_log_in
    assert (b"AUTH=PLAIN" in offered) is (b"AUTH=LOGIN" in offered) is may_log_in
    assert set(offered[4:]) <= {b"STARTTLS", b"LOGINDISABLED", b"AUTH=PLAIN", b"AUTH=LOGIN"}
