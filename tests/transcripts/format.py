"""The format of transcripts: what client, store and we say to each other, as text that can be played in several ways.

    # a title: what must hold
    given   maria@example.test lives on beta
            us:       <<greeting>>
            client:   a1 LOGIN maria@example.test {6+}|s3cret|a2 SELECT INBOX
            beta:     <<ready>>
            us>beta:  P1 AUTHENTICATE PLAIN <<b64 \\0maria@example.test\\0s3cret>>
            beta:     P1 OK [CAPABILITY IMAP4rev1] welcome
            us:       a1 OK [CAPABILITY IMAP4rev1] welcome
    relayed to beta: a2 SELECT INBOX

Each protocol has a folder of them, named like its service; its own NAMES stand in words.py.
A line is one packet and ends in CRLF; `|` is a CRLF inside a packet, a final `\\+` leaves the CRLF out. `\\0 \\r \\n
\\xNN \\| \\\\` are octets; `<<b64 TEXT>>`, `<<TEXT x COUNT>>` and the NAMES below stand for what they say.

given (all are optional)
    ADDRESS lives on STORE[, then STORE...]      the answers of admission, the last one for good; nobody else is known
    ADDRESS has the password WORD                any other is refused; without it every password is admitted
    ADDRESS is refused REFUSAL                   ADDRESS may act as ADDRESS
    STORE is down [COUNT times] | STORE uses starttls | STORE has a bad certificate | STORE wants introductions
    STORE is entered as NAME with PASSWORD       limits NAME=NUMBER...
    every store offers WORD...                   what probes found; without it: as words.py says
    whole packets (not octet by octet)           pure (not over sockets)
    door KIND...                                 clear, open (may log in without TLS), tls; without it: open and tls
happens
    refused: REFUSAL | waits: SECONDS | tls: client | tls: STORE       what we do besides speaking
    STORE closes | STORE falls silent | client leaves | closed         closed: by us
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.transcripts.words import WORDS

_OCTET = re.compile(rb"\\(x[0-9a-fA-F]{2}|[0rn|\\])")
_MACRO = re.compile(rb"<<(.*?)>>", re.DOTALL)
_PLAIN = {b"0": b"\0", b"r": b"\r", b"n": b"\n", b"|": b"|", b"\\": b"\\"}
_SPOKEN = re.compile(r"(relayed to \w+|us>\w+|\w+):\s*(.*)")
_HAPPENS = re.compile(r"(\w+) (closes|falls silent|leaves)|closed")
DOING = ("refused", "waits", "tls")


@dataclass
class Step:
    """One line: who does what. `kind`: hear, say, do, gone, silent, relayed, closed."""

    kind: str
    who: str = ""
    text: str = ""
    line: int = 0


@dataclass
class Transcript:
    """One of them."""

    title: str
    path: str
    service: str  # the name of its folder
    given: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def doors(self) -> list[str]:
        """The kinds of door it is played at."""
        named = [line.split()[1:] for line in self.given if line.startswith("door ")]
        return named[0] if named else ["open", "tls"]

    @property
    def whole_packets(self) -> bool:
        """Whether it depends on packets: not played octet by octet."""
        return "whole packets" in self.given

    @property
    def is_pure(self) -> bool:
        """Whether it speaks of what is another on each connection: not played over sockets."""
        return "pure" in self.given

    def __str__(self) -> str:
        return f"{self.service} {Path(self.path).stem}: {self.title}"

    def octets(self, text: str, door: str) -> bytes:
        """What a line stands for at this kind of door, its ending included."""
        return octets(text, WORDS[self.service](door))


def read_all() -> list[Transcript]:
    """Every transcript of every protocol."""
    return [one for path in sorted(Path(__file__).parent.glob("*/*.txt")) for one in parse(path)]


def parse(path: Path) -> list[Transcript]:
    """The transcripts of one file. Raises ValueError with path and line for what it does not understand."""
    found: list[Transcript] = []
    for number, raw in enumerate(path.read_text().splitlines(), 1):
        line = raw.strip()
        if line.startswith("# "):
            if not found or found[-1].steps:
                found.append(Transcript(line[2:], str(path), path.parent.name))
            else:
                found[-1].title += " " + line[2:]
        elif line.startswith("given "):
            found[-1].given.append(line[6:].strip())
        elif line:
            found[-1].steps.append(_step(line, f"{path}:{number}", number))
    return found


def _step(line: str, place: str, number: int) -> Step:
    spoken = _SPOKEN.fullmatch(line)
    if spoken is None:
        happens = _HAPPENS.fullmatch(line)
        if happens is None:
            raise ValueError(f"{place}: what is {line!r}?")
        kind = {None: "closed", "falls silent": "silent"}.get(happens[2], "gone")
        return Step(kind, happens[1] or "", "", number)
    who, text = spoken[1], spoken[2]
    if who in DOING:
        return Step("do", who, text, number)
    if who.startswith("relayed to "):
        return Step("relayed", who[11:], text, number)
    if who == "us":
        return Step("hear", "client", text, number)
    if who.startswith("us>"):
        return Step("hear", who[3:], text, number)
    return Step("say", who, text, number)


def octets(text: str, words: dict[bytes, bytes]) -> bytes:
    """What a line stands for, its ending included; `words` are what the NAMES in it say."""
    ends = not text.endswith("\\+")
    raw = (text if ends else text[:-2]).encode()
    if not raw and not ends:
        return b""
    raw = re.sub(rb"(?<!\\)\|", b"\\\\r\\\\n", raw)
    expanded = _MACRO.sub(lambda match: _expand(match[1], words), raw)
    return _plain(expanded) + (b"\r\n" if ends else b"")


def _expand(inside: bytes, words: dict[bytes, bytes]) -> bytes:
    if inside in words:
        return words[inside]
    if inside.startswith(b"b64 "):
        return base64.b64encode(_plain(inside[4:]))
    what, times, count = inside.rpartition(b" x ")
    if not times:
        raise ValueError(f"what is {inside!r}?")
    return what * int(count)


def _plain(raw: bytes) -> bytes:
    return _OCTET.sub(lambda m: bytes.fromhex(m[1][1:].decode()) if m[1][:1] == b"x" else _PLAIN[m[1]], raw)
