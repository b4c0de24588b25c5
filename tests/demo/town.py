"""The people of example.org: names, where they live, what they read their mail with; and how they log in.

Clients come through a load balancer's PROXY header (v1), so that everybody has an address of their own.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from typing import Final

from tests.services.node import Node
from tests.services.talk import Talk

FIRST: Final = (
    "aaron", "alice", "anna", "bela", "carla", "chen", "daria", "david", "elena", "emil", "fatima", "felix", "gina",
    "hana", "henrik", "ida", "igor", "ines", "jana", "jonas", "karim", "kofi", "lea", "liam", "lucia", "mara",
    "maria", "mateo", "mila", "nadia", "niels", "olga", "otto", "paula", "pedro", "quinn", "rosa", "samir", "sofia",
    "tara", "theo", "uma", "victor", "wanda", "xaver", "yara", "yusuf", "zoe",
)  # fmt: skip
LAST: Final = (
    "abel", "adler", "bauer", "becker", "brandt", "costa", "diaz", "ekberg", "fischer", "garcia", "haas", "hansen",
    "ibarra", "jansen", "keller", "klein", "kovac", "lang", "lopez", "maier", "meyer", "moreau", "nilsson", "novak",
    "olsen", "pavlov", "peters", "quist", "rossi", "sato", "schmid", "silva", "sorel", "stein", "tanaka", "torres",
    "ueda", "vogel", "weber", "wolf", "yilmaz", "zeller",
)  # fmt: skip
DOMAIN: Final = "example.org"
STORES: Final = ("mail1", "mail2", "mail3")
PASSWORD: Final = "kx-demo-s3cret"
GUESSED: Final = "kx-demo-guess"
HOMES: Final = ("198.51.100.", "203.0.113.")  # of clients
NETWORKS: Final = [f"{home}0/24" for home in HOMES]

_chance = random.Random(5)  # the same town each time


def store_of(number: int) -> str:
    """Where the person of this number lives."""
    return STORES[number % len(STORES)]


def residents() -> list[str]:
    """Who really logs in: people with a mailbox."""
    return [f"{name}@{DOMAIN}" for name in FIRST]


def stays_by_pop3(number: int) -> bool:
    """Whether this person's mailbox is held by a POP3 session all the time."""
    return number % 9 == 0


def everybody() -> dict[str, str]:
    """The map: residents first, then all who only have a name here; with their stores."""
    others = [f"{first}.{last}{number}@{DOMAIN}" for number in ("", "2", "3", "4", "5") for first in FIRST
              for last in LAST]
    return {address: store_of(number) for number, address in enumerate([*residents(), *others])}


def client_of(address: str) -> str:
    """The one place where somebody reads mail."""
    number = sum(address.encode())
    return f"{HOMES[number % 2]}{number % 250 + 2}"


def arrive(node: Node, port: int, client: str) -> Talk:
    """A connection, as from that address; greeted."""
    talk = Talk(node.host, port)
    talk.send(f"PROXY TCP4 {client} 192.0.2.10 {_chance.randrange(1024, 65000)} {port}\r\n".encode())
    talk.line()
    return talk


def sit_down(node: Node, address: str, client: str = "") -> Talk:
    """A session that stays."""
    talk = arrive(node, node.imap, client or client_of(address))
    talk.plain(address, PASSWORD)
    talk.ask(b"SELECT INBOX")
    return talk


def fetch_by_pop3(node: Node, address: str) -> Talk:
    """A session that stays, by POP3."""
    talk = arrive(node, node.pop3, client_of(address))
    for line in (f"USER {address}", f"PASS {PASSWORD}"):
        talk.send(line.encode() + b"\r\n")
        talk.line()
    return talk


def guess(node: Node, address: str, client: str) -> None:
    """A wrong password."""
    talk = arrive(node, node.imap, client)
    with talk, contextlib.suppress(EOFError):
        talk.plain(address, GUESSED)


class Traffic:
    """People who come and go, more in the middle of it than at its ends; some mistype, one guesses."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=part, daemon=True) for part in (self._visits, self._guesses)]

    def run(self, seconds: float) -> None:
        """For so long."""
        for thread in self._threads:
            thread.start()
        time.sleep(seconds)
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _visits(self) -> None:
        began = time.monotonic()
        while not self._stop.is_set():
            address = _chance.choice(_quick_to_reach())
            with contextlib.suppress(OSError, EOFError):
                by_pop3 = _chance.random() < 0.1 and not stays_by_pop3(residents().index(address))
                visit = fetch_by_pop3 if by_pop3 else sit_down
                with visit(self._node, address):
                    pass
            pace = 1 + 0.8 * random.Random(int((time.monotonic() - began) / 60)).random()
            self._stop.wait(_chance.random() / pace)

    def _guesses(self) -> None:
        while not self._stop.wait(_chance.uniform(5, 15)):
            with contextlib.suppress(OSError, EOFError):
                guess(self._node, f"it-support@{DOMAIN}", "203.0.113.7")


def _quick_to_reach() -> list[str]:
    return [address for number, address in enumerate(residents()) if store_of(number) != STORES[-1]]


def close_all(talks: list[Talk]) -> None:
    """Everybody leaves."""
    for talk in talks:
        with contextlib.suppress(OSError):
            talk.socket.shutdown(socket.SHUT_RDWR)
