"""Which mail stores live on this very machine: asked at the ports where they usually stand behind a proxy.

A store that speaks in clear is taken so (nothing leaves the machine); one with TLS alone by its certificate's pin. Must
never ask the node itself: its own ports are left out.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from appliance.control.visit import check
from appliance.terms import Endpoint, TlsMode

LOOPBACK: Final = "127.0.0.1"
SECONDS: Final = 2.0  # for each step: it is this machine
# Service and port, the likeliest first; of each service the first that answers is it.
USUAL: Final = (
    ("imap", 10143, TlsMode.NONE),
    ("imap", 1143, TlsMode.NONE),
    ("imap", 143, TlsMode.NONE),
    ("imap", 10993, TlsMode.IMPLICIT),
    ("imap", 993, TlsMode.IMPLICIT),
    ("pop3", 10110, TlsMode.NONE),
    ("pop3", 1110, TlsMode.NONE),
    ("pop3", 110, TlsMode.NONE),
    ("sieve", 14190, TlsMode.NONE),
    ("sieve", 4190, TlsMode.NONE),
)
Usual = tuple[str, int, TlsMode]


def found(own_ports: Collection[int], usual: Sequence[Usual] = USUAL) -> Iterator[dict[str, Any]]:
    """Each service that answers: {service, address, tls, tls_pin, greeting}."""
    served: set[str] = set()
    for service, port, mode in usual:
        if service in served or port in own_ports:
            continue
        pin = _pin(port) if mode is TlsMode.IMPLICIT else b""
        if pin is None:
            continue
        endpoint = Endpoint("", LOOPBACK, port, mode, "", "", pin, "none")
        steps = {step.name: step.result for step in check(service, endpoint, SECONDS) if step.ok}
        if "greeting" in steps:
            served.add(service)
            yield {
                "service": service,
                "address": f"{LOOPBACK}:{port}",
                "tls": str(mode),
                "tls_pin": f"sha256:{pin.hex()}" if pin else "",
                "greeting": steps["greeting"],
            }


def _pin(port: int) -> bytes | None:
    """Of the certificate that is shown there; None if none is."""
    try:
        shown = ssl.get_server_certificate((LOOPBACK, port), timeout=SECONDS)
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).digest()
    except (OSError, ValueError):
        return None
