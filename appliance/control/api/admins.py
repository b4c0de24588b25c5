"""Requests about administrators: who may use the console and these commands over SSH. For owners, all but `admin list`.

Passwords and TOTP secrets travel on the control socket alone, and print as stars. Roles: viewer (may look), operator
(may run the node and change its data), owner (may change anything). The last owner cannot be removed, nor demoted.
"""

from __future__ import annotations

from appliance.control.api import Request


class AdminList(Request, frozen=True, tag="admin list"):
    """Value: [{name, role, keys: [{fingerprint, comment}], password, totp, seen}], by name.

    password, totp: whether there is one; seen: seconds since the epoch of the last log-in by SSH, null for none.
    """


class AdminAdd(Request, frozen=True, tag="admin add"):
    """Refused if there is one of this name. `key`: a public key in OpenSSH's form, or empty. Value: {revision}."""

    name: str
    role: str = "operator"
    key: str = ""


class AdminRole(Request, frozen=True, tag="admin role"):
    """Another role from the next request on."""

    name: str
    role: str


class AdminKeyAdd(Request, frozen=True, tag="admin key add"):
    """One more public key, in OpenSSH's form. Value: {fingerprint}."""

    name: str
    key: str


class AdminKeyRemove(Request, frozen=True, tag="admin key remove"):
    """By its fingerprint, "SHA256:..."."""

    name: str
    fingerprint: str


class AdminPassword(Request, frozen=True, tag="admin password"):
    """A new password; an empty one removes it: then only keys let in. An administrator may change their own."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"AdminPassword({self.name!r}, ***)"


class AdminTotp(Request, frozen=True, tag="admin totp"):
    """A new secret for one-time codes, or (`off`) none. Value: {secret, uri}: shown this once.

    With one, each log-in asks for a code: behind the password, or as the console's first screen behind a key (then
    commands and uploads over SSH are refused: nothing could ask there). An administrator may change their own.
    """

    name: str
    off: bool = False


class AdminRemove(Request, frozen=True, tag="admin remove"):
    """Gone; their consoles end."""

    name: str
