"""What stores say they offer, in words; and what they say that means nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.control.offers import offers
from appliance.control.visit import SPEECH

PIGEONHOLE = (
    b'"IMPLEMENTATION" "Dovecot"\r\n"SIEVE" "fileinto comparator-i;ascii-numeric"\r\n"notify" "mailto"\r\n'
    b'"SASL" "PLAIN"\r\n"STARTTLS"\r\n"VERSION" "1.0"\r\nOK "ready."\r\n'
)


@pytest.mark.parametrize(
    ("service", "heard", "words"),
    [
        ("imap", b"* OK [CAPABILITY IMAP4rev1 idle] ready\r\n", "IMAP4REV1 IDLE"),
        ("imap", b"* OK [capability IDLE] ready\r\n", "IDLE"),
        ("imap", b"* OK ready\r\n", ""),
        ("imap", b"* OK [CAPABILITY IDLE\r\n", ""),
        ("pop3", b"+OK\r\nTOP\r\nsasl PLAIN LOGIN\r\nEXPIRE 60\r\n.\r\n", "TOP SASL=PLAIN SASL=LOGIN EXPIRE"),
        ("pop3", b"-ERR unknown command\r\n", "USER"),
        ("pop3", b"+OK ready\r\n", ""),
        ("pop3", b"+OK\r\n\r\nUSER\r\n", ""),
        ("sieve", PIGEONHOLE, "SIEVE=fileinto SIEVE=comparator-i;ascii-numeric NOTIFY=mailto"),
        ("sieve", b'"SIEVE" ""\r\nOK\r\n', ""),
        ("sieve", b'"SIEVE" {8}\r\nfileinto\r\nOK\r\n', ""),
        ("sieve", b'"SIEVE" "a\\"b"\r\nOK\r\n', ""),
        ("smtp", b"220 ready\r\n", ""),
    ],
)
def test_offers(service: str, heard: bytes, words: str) -> None:
    assert offers(service, heard) == words


@given(st.sampled_from(list(SPEECH)), st.binary(max_size=200) | st.just(PIGEONHOLE))
def test_anything_may_be_said(service: str, heard: bytes) -> None:
    assert offers(service, heard).isascii()
