"""Requests about TLS certificates. The private key travels on the control socket alone and is stored sealed."""

from __future__ import annotations

from appliance.control.api import Request


class CertList(Request, frozen=True, tag="cert list"):
    """Value: [{names, subject, issuer, from, until, days, key, own}]; own: the one that `init` made."""


class CertAdd(Request, frozen=True, tag="cert add"):
    """PEM texts, for these names ("*" = default); replaces what serves exactly these names.

    Instead of a text `upload:NAME`: the file of that name that was sent by scp; it is deleted once it is in use.
    """

    names: list[str]
    certificate: str
    key: str

    def __repr__(self) -> str:
        return f"CertAdd({self.names!r}, ***)"


class CertCheck(Request, frozen=True, tag="cert check"):
    """Value: [{names, ok, problems: [text], days}]; refused (with the value) if anything is wrong."""


class CertRemove(Request, frozen=True, tag="cert remove"):
    """Remove the certificate that serves this name."""

    name: str
