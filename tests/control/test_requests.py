"""What strangers to the control socket may send: any octets, in any pieces, and never more than is bounded."""

from __future__ import annotations

import os
import socket

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.control.api import Failed, Request
from appliance.control.commands import LETS_IN, ROLES, all_handlers, command_of
from appliance.control.incoming import REQUEST, Requests, Unacceptable, decode


@given(st.binary(max_size=300))
def test_any_octets_are_a_request_or_a_failure(line: bytes) -> None:
    found = decode(line)
    assert isinstance(found, Request) or found.status == 2


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
_words = st.sampled_from(["status", "session kick", "log tail", "route", "account add", "map import"])


@given(_words, st.dictionaries(st.sampled_from(["user", "ids", "address", "follow", "last", "x"]), _json, max_size=4))
def test_any_fields_are_a_request_or_a_failure(words: str, fields: dict[str, object]) -> None:
    found = decode(msgspec.json.encode({"do": words, **fields}))
    assert isinstance(found, Request | Failed)
    if isinstance(found, Failed):
        assert found.text.startswith("not a request of this release: ")


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), max_size=6), st.data())
def test_lines_arrive_whole_in_whatever_pieces_they_come(lines: list[bytes], data: st.DataObject) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        octets = b"".join(line + b"\n" for line in lines) + b"half a li"
        while octets:
            size = data.draw(st.integers(1, len(octets)))
            theirs.sendall(octets[:size])
            octets = octets[size:]
        theirs.shutdown(socket.SHUT_WR)
        assert [line for line, _ in Requests(ours)] == lines


@pytest.mark.parametrize(("size", "accepted"), [(REQUEST, True), (REQUEST + 1, False)])
def test_the_bound_of_a_line(size: int, accepted: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * REQUEST)
        theirs.setblocking(False)
        octets, found = memoryview(b"x" * size + b"\n"), None
        requests = iter(_fed(Requests(ours), theirs, octets))
        if accepted:
            found = next(requests)
            assert len(found[0]) == size
        else:
            with pytest.raises(Unacceptable):
                next(requests)


def _fed(requests: Requests, to: socket.socket, octets: memoryview) -> Requests:
    """Feeds from a process of its own: no buffer holds that much."""
    if os.fork() == 0:
        to.setblocking(True)
        try:
            to.sendall(octets)
        finally:
            os._exit(0)
    return requests


def test_a_file_comes_with_its_request_and_only_with_that() -> None:
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    with ours, theirs:
        socket.send_fds(theirs, [b"one\n"], [read])
        requests = iter(Requests(ours))
        line, file = next(requests)
        assert line == b"one" and file is not None
        os.write(write, b"content")
        os.close(write)
        with file:
            assert file.read() == b"content"
        theirs.sendall(b"two\n")
        assert next(requests) == (b"two", None)
    os.close(read)


def test_a_file_for_writing_can_be_written_to(tmp_path: object) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, open(f"{tmp_path}/out", "w+b") as out:
        socket.send_fds(theirs, [b"one\n"], [out.fileno()])
        _, file = next(iter(Requests(ours)))
        assert file is not None
        with file:
            file.write(b"content")
        out.seek(0)
        assert out.read() == b"content"


def test_every_request_has_a_handler_in_the_module_of_its_name_and_a_role() -> None:
    assert len(all_handlers()) > 20
    for request, command in all_handlers().items():
        assert command_of(request) is command
        assert command.role in (*ROLES, LETS_IN)
    tags = [request.__struct_config__.tag for request in all_handlers()]
    assert len(set(tags)) == len(tags)
