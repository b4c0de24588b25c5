"""Every transcript, pure: packet by packet and octet by octet, at each kind of door it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.protocols.imap.frontend import imap
from tests.transcripts.format import Transcript, read_all
from tests.transcripts.pure import Player

TRANSCRIPTS = read_all(Path(__file__).parents[2] / "transcripts")
AT_DOORS = [(one, kind) for one in TRANSCRIPTS for kind in one.doors]


def test_there_are_transcripts_and_no_two_have_one_title() -> None:
    assert len({one.title for one in TRANSCRIPTS}) == len(TRANSCRIPTS) >= 60


@pytest.mark.parametrize(("transcript", "kind"), AT_DOORS, ids=str)
def test_packet_by_packet(transcript: Transcript, kind: str) -> None:
    player = Player(transcript, kind, imap)
    player.play(octet_by_octet=False)
    assert "s3cret" not in player.left_behind


@pytest.mark.parametrize(("transcript", "kind"), [pair for pair in AT_DOORS if not pair[0].whole_packets], ids=str)
def test_octet_by_octet(transcript: Transcript, kind: str) -> None:
    Player(transcript, kind, imap).play(octet_by_octet=True)
