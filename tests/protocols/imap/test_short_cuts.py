"""Where the usual case is read in one look: it must be read as by the long way."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from appliance.protocols.conversation import Misspoken
from appliance.protocols.handover import Turned
from appliance.protocols.imap.backend import Welcome, verdict, welcomed
from appliance.protocols.imap.grammar import Malformed, any_login_arguments, command_of, login_arguments
from appliance.terms import Endpoint, Route, Secret

ROUTE = Route(Endpoint("beta", "192.0.2.1", 143), "maria", "maria", "maria", Secret(b"pw"), "map people")

VALUES = st.sampled_from(
    [b"maria", b"m@x.test", b"50%*", b"{3}", b"5}", b"]", b"\\", b'\\"', b"(", b"\xff", b"\0", b""]
)
QUOTED = st.builds(b'"%b"'.__mod__, VALUES)
ARGUMENTS = st.builds(b"%b %b".__mod__, st.tuples(VALUES | QUOTED, VALUES | QUOTED))
ANYTHING = st.lists(VALUES | st.sampled_from([b" ", b'"']) | st.binary(max_size=3), max_size=8).map(b"".join)

BEGINNINGS = st.sampled_from(
    [b"P1 OK [CAPABILITY ", b"p1 ok [capability IMAP4rev1] ", b"P1 OK", b"P1 NO ", b"* OK ", b""]
)
PIECES = st.sampled_from([b"IMAP4rev1", b" IDLE", b"] in", b"[", b" ", b"in", b"}", b"{0}", b"\r", b"\0", b"\xff"])
LINES = st.builds(b"%b%b\r\n".__mod__, st.tuples(BEGINNINGS, st.lists(PIECES, max_size=6).map(b"".join)))
YES = b"P1 OK [CAPABILITY IMAP4rev1 IDLE STARTTLS] in\r\n"


@given(ARGUMENTS | ANYTHING)
@example(b"maria s3cret")
@example(b'"maria" "s3cret"')
def test_the_arguments_of_login(text: bytes) -> None:
    assert arguments_by(login_arguments, text) == arguments_by(any_login_arguments, text)


def arguments_by(reader: Callable[[list[bytes]], tuple[bytes, bytes]], text: bytes) -> tuple[bytes, bytes] | str:
    try:
        return reader([text])
    except Malformed as malformed:
        return str(malformed)


@given(st.binary(max_size=3) | st.text('aZ09+%*.({[]\\"~', max_size=130).map(str.encode))
def test_a_tag_is_any_atom_without_plus_and_wildcards(tag: bytes) -> None:
    tag = tag.replace(b" ", b"").replace(b"\n", b"")
    allowed = 0 < len(tag) <= 128 and all(0x20 < octet < 0x7F and octet not in b'(){"\\+%*' for octet in tag)
    assert command_of(tag + b" NOOP\r\n").tag == (tag if allowed else b"*")


@given(LINES)
@example(YES)
@example(b"P1 OK [CAPABILITY IMAP4rev1] in {3}\r\n")
def test_a_store_s_yes(line: bytes) -> None:
    welcome = welcomed(line)
    assert welcome is None or welcome == judged(line)


def test_the_usual_yes_is_read_in_one_look() -> None:
    assert welcomed(YES) == Welcome(b"", b"IMAP4rev1 IDLE", b" OK [CAPABILITY IMAP4rev1 IDLE] in\r\n")


def judged(line: bytes) -> Welcome | Turned | str:
    """What the long way makes of it; or what it would do next."""
    try:
        effect = verdict(line, [], ROUTE).send(None)
    except StopIteration as end:
        result: Welcome | Turned = end.value
        return result
    except Misspoken as misspoken:
        return str(misspoken)
    return f"goes on: {effect}"
