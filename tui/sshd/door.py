"""One client at the door: keys, or password and code by keyboard-interactive (RFC 4252, RFC 4256).

Must never let in whom the controller has not named, nor tell one reason for a no from another.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import asyncssh

from appliance.control.api.console import BY_KEY, BY_PASSWORD
from tui.sshd import session
from tui.sshd.controller import Controller, Gate, Silent
from tui.sshd.session import Session

TRIES: Final = 3  # passwords on one connection
OFFERS: Final = 12  # keys on one connection: an agent offers all it has
LONGEST_NAME: Final = 64
LONGEST_ANSWER: Final = 1024  # characters of a password or code
LONGEST_DELAY: Final = 5.0
PROMPTS: Final[Sequence[tuple[str, bool]]] = (("Password: ", False), ("Code (empty if you have none): ", False))
SILENT: Final = "the node's controller does not answer; try again in a moment"

Challenge = tuple[str, str, str, Sequence[tuple[str, bool]]]  # title, instructions, language, prompts

log = logging.getLogger("postern.console")


class Guest(NamedTuple):
    """Who has come in, `by` what. `locked`: a code is still wanted, which only the console's first screen can ask."""

    name: str
    client: str
    by: str  # one of WAYS_IN
    proof: str  # that for the log
    locked: bool

    @property
    def entry(self) -> tuple[str, str, str, bool]:
        """What the controller is told to let him in."""
        return self.name, self.client, self.by, self.locked


def address_of(host: str) -> str:
    """A client's address as the controller knows it: IPv4 is never in IPv6's clothes."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or address)


class House(session.House, Protocol):
    """What is behind the door."""

    def enter(self, door: Door) -> bool:
        """Whether there is room for who has just logged in."""

    def left_in_vain(self, client: str) -> None:
        """Somebody has gone from there whose failures only the door saw."""


class Door(asyncssh.SSHServer):
    """Asks the controller, and counts."""

    def __init__(self, controller: Controller, house: House) -> None:
        self.guest: Guest | None = None
        self.client = ""
        self._controller = controller
        self._house = house
        self._valid: Guest | None = None
        self._tries = self._offers = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """A client has connected."""
        self.connection = conn
        self.client = address_of(conn.get_extra_info("peername")[0])
        conn.set_extra_info(door=self)

    def begin_auth(self, username: str) -> bool:
        """Everybody has to prove who he is."""
        return True

    def auth_completed(self) -> None:
        """The client has proved it, with what was valid last."""
        if self._valid is None or self._valid.name != self.connection.get_extra_info("username"):
            raise asyncssh.PermissionDenied("not authenticated")
        self.guest = self._valid
        if not self._house.enter(self):
            raise asyncssh.DisconnectError(
                asyncssh.DISC_TOO_MANY_CONNECTIONS, "too many of your connections are open: close one"
            )
        log.info("%s logged in from %s by %s", self.guest.name, self.client, self.guest.proof)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone. Keys that nobody has are a failure, too; of passwords the controller knows."""
        if self.guest is None and self._offers and not self._tries:
            self._house.left_in_vain(self.client)

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        """The client opens one."""
        return Session(self._house)

    # --- keys ----------------------------------------------------------------------------------------------------

    def public_key_auth_supported(self) -> bool:
        """Keys are the way in."""
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether it is this administrator's. Asked for a mere offer, too; its signature is checked behind this."""
        self._offers += 1
        if self._offers > OFFERS:
            raise _no_more("too many keys were offered: name the right one by `ssh -i FILE -o IdentitiesOnly=yes`")
        if len(username) > LONGEST_NAME:
            return False
        try:
            text = " ".join(key.export_public_key("openssh").decode().split()[:2])
            allowed, totp = await self._controller.key(username, text, self.client)
        except Silent as silent:
            raise _silent(silent) from silent
        if allowed:
            self._valid = Guest(username, self.client, BY_KEY, f"key {key.get_fingerprint()}", totp)
        return allowed

    # --- passwords -----------------------------------------------------------------------------------------------

    def kbdint_auth_supported(self) -> bool:
        """For those without a key here."""
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Challenge:
        """Both questions at once, to everybody."""
        return "", "", "", PROMPTS

    async def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        """Whether both answers are right. The third wrong ones end the connection."""
        self._tries += 1
        if self._tries > TRIES:  # a client that does not wait for answers
            raise _no_more("too many failures")
        try:
            if await self._is_right(username, list(responses)):
                self._valid = Guest(username, self.client, BY_PASSWORD, "password", False)
                return True
            gate = await self._controller.gate(self.client)
        except Silent as silent:
            raise _silent(silent) from silent
        await self._after_failure(gate)
        return False

    async def _is_right(self, name: str, answers: list[str]) -> bool:
        if len(answers) != len(PROMPTS) or max(map(len, answers)) > LONGEST_ANSWER or len(name) > LONGEST_NAME:
            return False
        return await self._controller.password(name, answers[0], answers[1].replace(" ", ""), self.client)

    async def _after_failure(self, gate: Gate) -> None:
        log.info("a log-in from %s failed", self.client)  # its name may be a password, typed too early
        await asyncio.sleep(min(gate.delay, LONGEST_DELAY))
        if self._tries >= TRIES or not gate.allowed:
            raise _no_more("too many failures")


def _no_more(why: str) -> asyncssh.DisconnectError:
    return asyncssh.DisconnectError(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, why)


def _silent(silent: Silent) -> asyncssh.DisconnectError:
    log.warning("nobody can log in: %s", silent)
    return asyncssh.DisconnectError(asyncssh.DISC_BY_APPLICATION, SILENT)
