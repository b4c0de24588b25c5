"""What the console's SSH server asks, and what a console asks about itself.

The first four are answered to the console's user postern-console (told by SO_PEERCRED, and answered nothing else), to
root and to the home's owner alone: who asks them authenticates administrators, and hands each of their processes a
conversation in which that one is who asks. Such a process holds no other rights. It is of the same user as the server:
so postern-console has one connection to the control socket at a time, and more conversations only by ConsoleOpen on it.
"""

from __future__ import annotations

from typing import Final

from appliance.control.api import Request

BY_KEY: Final = "key"
BY_PASSWORD: Final = "password"  # noqa: S105 - the name of a way
WAYS_IN: Final = (BY_KEY, BY_PASSWORD)


class ConsoleKey(Request, frozen=True, tag="console key"):
    """Whether this public key (OpenSSH's form) is one of this administrator's. Value: {allowed, totp}.

    Asked for the mere offer of a key, too: a yes is not a log-in.
    """

    name: str
    key: str
    client: str


class ConsolePassword(Request, frozen=True, tag="console password"):
    """Whether password, and code if this administrator has TOTP, are right; takes as long for a name nobody has.

    Value: {allowed}. Failures are counted here: they are not to be told by ConsoleAddress again.
    """

    name: str
    password: str
    code: str
    client: str

    def __repr__(self) -> str:
        return f"ConsolePassword({self.name!r}, ***)"


class ConsoleAddress(Request, frozen=True, tag="console address"):
    """Whether this client address may try to log in at all. `failed`: so many tries just failed there.

    Value: {allowed, delay}: seconds to wait before the next try is answered. Twenty failures within an hour ban an
    address from the console for an hour, with an alert, unless a key let somebody in from there within a day.
    """

    client: str
    failed: int = 0


class ConsoleEnter(Request, frozen=True, tag="console enter"):
    """Let this administrator speak on the stream socket that comes with the request. Value: {role}.

    `by`: what was proved, one of WAYS_IN; a key makes the client address trusted for a day. `locked`: nothing is
    answered there but ConsoleWho, ConsoleCode and ConsoleOpen until the code was right.
    """

    name: str
    client: str
    by: str
    locked: bool = False


class ConsoleOpen(Request, frozen=True, tag="console open"):
    """Converse as the same administrator on the stream socket that comes with the request, too. Value: {}.

    At most 8 conversations for each process that was let in. What unlocks or ends one does so to all of them. Asked by
    the console's SSH server: as that one; with its first conversation the others end.
    """


class ConsoleWho(Request, frozen=True, tag="console who"):
    """Value: {name, role, node, locked, password, totp}: who I am here; password, totp: whether I have them.

    On the control socket itself: the user of this machine, neither password nor totp.
    """


class ConsoleCode(Request, frozen=True, tag="console code"):
    """My one-time code, or my password where I have no TOTP: unlocks this process' conversations, or an idle screen.

    Refused if it is wrong; the fifth time in a row they end. Wrong ones count as failed log-ins of the client address.
    """

    code: str

    def __repr__(self) -> str:
        return "ConsoleCode(***)"
