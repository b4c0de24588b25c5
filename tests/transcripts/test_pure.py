"""Every transcript, pure: packet by packet and octet by octet, at each kind of door it is for."""

from __future__ import annotations

import pytest

from appliance.sessions.compose import PROTOCOLS
from appliance.terms import Service
from tests.transcripts.format import Transcript, read_all
from tests.transcripts.pure import Player

TRANSCRIPTS = read_all()
AT_DOORS = [(one, kind) for one in TRANSCRIPTS for kind in one.doors]


@pytest.mark.parametrize("service", PROTOCOLS)
def test_there_are_transcripts_and_no_two_have_one_title(service: Service) -> None:
    titles = [one.title for one in TRANSCRIPTS if one.service == service]
    assert len(set(titles)) == len(titles) >= 40


def player(transcript: Transcript, kind: str) -> Player:
    """A player with the front-end that the transcript is about."""
    return Player(transcript, kind, PROTOCOLS[Service(transcript.service)])


@pytest.mark.parametrize(("transcript", "kind"), AT_DOORS, ids=str)
def test_packet_by_packet(transcript: Transcript, kind: str) -> None:
    played = player(transcript, kind)
    played.play(octet_by_octet=False)
    assert "s3cret" not in played.left_behind


@pytest.mark.parametrize(("transcript", "kind"), [pair for pair in AT_DOORS if not pair[0].whole_packets], ids=str)
def test_octet_by_octet(transcript: Transcript, kind: str) -> None:
    player(transcript, kind).play(octet_by_octet=True)
