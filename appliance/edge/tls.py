"""The TLS contexts of the listeners: one default per service, others by the name the client asks for (SNI).

The default contexts are made before the workers are forked and are reloaded in place: session tickets are sealed
with keys that OpenSSL draws with the context, so all workers open each other's tickets, also after a reload. (The
keys of the default context serve SNI sessions too.) TLS 1.2 or later (RFC 8996), ALPN (RFC 7301).
Must never write a key to a disk, and never lose the certificates in force to a broken reload.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from appliance.terms import Service

Entry = tuple[Iterable[str], str, str]  # names, certificate chain and key, both PEM text
ALPN: Final = {Service.IMAP: "imap", Service.POP3: "pop3", Service.SIEVE: "managesieve"}

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all good
_KEY_KINDS: Final = {  # by the object identifier in the certificate (RFC 3279, 5480, 8410)
    bytes.fromhex("06092a864886f70d010101"): "RSA",
    bytes.fromhex("06072a8648ce3d0201"): "EC",
    bytes.fromhex("06032b6570"): "Ed25519",
}


class Certificates:
    """What the listeners show. Raises ValueError (a clear sentence) when made of something unusable."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._kind = ""
        self._default: dict[Service, ssl.SSLContext] = {}
        self._named: dict[Service, dict[str, ssl.SSLContext]] = {}
        self.reload(entries)

    def server(self, service: Service) -> ssl.SSLContext | None:
        """The context for a connection to `service`; None without any certificate."""
        return self._default.get(service)

    def reload(self, entries: Iterable[Entry]) -> None:
        """Serve these from now on. Raises ValueError and keeps those in force when one of them is unusable."""
        listed = [([name.lower() for name in names], chain, key) for names, chain, key in entries]
        named: dict[Service, dict[str, ssl.SSLContext]] = {service: {} for service in ALPN}
        for names, chain, key in listed:
            for service in ALPN:
                context = _context(service)
                _load(context, names, chain, key)
                named[service].update((name, context) for name in names)
        self._named = named
        default = next((entry for entry in listed if "*" in entry[0]), listed[0] if listed else None)
        if default is None:
            self._default = {}
        else:
            self._load_default(*default)

    def _load_default(self, names: list[str], chain: str, key: str) -> None:
        kind = _key_kind(chain)
        if kind != self._kind or not self._default:  # a context keeps a certificate per kind of key: begin anew
            self._default = {service: _context(service) for service in ALPN}
            self._kind = kind
        for service, context in self._default.items():
            _load(context, names, chain, key)
            several = any(name != "*" for name in self._named[service])
            context.sni_callback = self._chooser(service) if several else None

    def _chooser(self, service: Service):  # type: ignore[no-untyped-def]  # ssl's own type is as loose
        def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
            chosen = self.named(service, name or "")
            if chosen is not None:
                connection.context = chosen

        return choose

    def named(self, service: Service, name: str) -> ssl.SSLContext | None:
        """The context for the server name `name`: exact, then `*.parent` (RFC 6125 6.4.3); None: the default."""
        contexts, name = self._named[service], name.lower()
        return contexts.get(name) or contexts.get("*." + name.partition(".")[2])


def check_pair(chain: str, key: str) -> None:
    """Raises ValueError if `chain` and `key` do not make a usable certificate."""
    _load(_context(Service.IMAP), ["it"], chain, key)


def _context(service: Service) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols([ALPN[service]])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 1  # a mail client resumes one session at a time
    return context


def _load(context: ssl.SSLContext, names: list[str], chain: str, key: str) -> None:
    try:
        with _in_memory(chain) as chain_file, _in_memory(key) as key_file:
            context.load_cert_chain(chain_file, key_file, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ValueError(f"certificate for {', '.join(names)}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return {
        "KEY_VALUES_MISMATCH": "the key does not belong to it",
        "NO_START_LINE": "this is not PEM text",
        None: str(error) or "it cannot be read",
    }.get(reason, str(reason).replace("_", " ").lower())


def _no_password() -> bytes:
    raise ValueError("the key is encrypted")


def _key_kind(chain: str) -> str:
    first = chain[: chain.find("-----END CERTIFICATE-----") + 26]
    der = ssl.PEM_cert_to_DER_cert(first[first.find("-----BEGIN CERTIFICATE-----") :].strip())
    return next((kind for mark, kind in _KEY_KINDS.items() if mark in der), "other")


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """A path under which ssl can read `text`, which is on no disk."""
    fd = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with open(fd, "w", closefd=False) as file:
            file.write(text)
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)
