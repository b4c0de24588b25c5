"""Requests about internal accounts. Passwords travel on the control socket alone, and print as stars."""

from __future__ import annotations

from appliance.control.api import Request


class AccountList(Request, frozen=True, tag="account list"):
    """Value: [{address, state, scheme}], by address; at most `limit`, from behind `after` on."""

    prefix: str = ""
    after: str = ""
    limit: int = 1000


class AccountAdd(Request, frozen=True, tag="account add"):
    """Refused if there is one of this address. The password in clear; it is stored as argon2id."""

    address: str
    password: str

    def __repr__(self) -> str:
        return f"AccountAdd({self.address!r}, ***)"


class AccountPassword(Request, frozen=True, tag="account password"):
    """A new password for an account."""

    address: str
    password: str

    def __repr__(self) -> str:
        return f"AccountPassword({self.address!r}, ***)"


class AccountDisable(Request, frozen=True, tag="account disable"):
    """No more log-ins; its sessions end."""

    address: str


class AccountEnable(Request, frozen=True, tag="account enable"):
    """Log-ins again."""

    address: str


class AccountRemove(Request, frozen=True, tag="account remove"):
    """Gone; its sessions end."""

    address: str


class AccountImport(Request, frozen=True, tag="account import"):
    """The file is CSV `address,password-or-hash`; those that exist get the new password. Any wrong line blocks all.

    It comes with the request, or was sent before (`file`: upload:NAME).
    Value, refused or done: {read, new, changed, same, errors: [{line, text}]}.
    """

    file: str = ""
