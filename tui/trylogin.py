"""A real log-in through this node, as a mail program would do it: IMAP, over TLS where the node offers it.

Blocks: for threads. Only ever to the node's own listener. Must never keep the password, nor say it.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tui.words import plain

SECONDS: Final = 20.0


class NoWay(Exception):  # noqa: N818
    """Why there can be no log-in: a sentence."""


def listener(services: Sequence[Mapping[str, Any]]) -> tuple[str, int, bool]:
    """Host, port, and whether it is TLS from the first octet, of IMAP on this node (value of ServiceList)."""
    imap = next((row for row in services if row["name"] == "imap" and row["enabled"]), None)
    for key, secured in (("listen_tls", True), ("listen", False)):
        for address in imap[key] if imap is not None else ():
            host, _, port = address.rpartition(":")
            host = host.strip("[]")
            return {"::": "127.0.0.1", "0.0.0.0": "127.0.0.1"}.get(host, host), int(port), secured  # noqa: S104
    raise NoWay("IMAP listens nowhere on this node: `services` is where to change that")


def log_in(where: tuple[str, int, bool], address: str, password: str) -> list[str]:
    """What was said, step by step; the last line begins with OK if it worked."""
    host, port, secured = where
    lines = [f"connecting to {host} port {port}{', TLS' if secured else ''}"]
    try:
        with contextlib.closing(_Connection(_connected(host, port, secured))) as one:
            lines.append(f"greeted: {_said(one.imap.welcome)}")
            if not secured and "STARTTLS" in one.imap.capabilities:
                one.imap.starttls(_context())
                lines.append("STARTTLS: from here on nobody reads along")
            _, said = one.imap.login(address, password)
            lines.append(f"logged in as {plain(address, 80)}: {_said(said[0])}")
            _, folders = one.imap.list()
            lines.append(f"OK: {len([one for one in folders if one])} folders to see")
    except imaplib.IMAP4.error as error:
        lines.append(f"refused: {_said(error.args[0] if error.args else '')}")
    except OSError as error:
        lines.append(f"failed: {plain(error.strerror or str(error), 200)}")
    return lines


class _Connection:
    def __init__(self, imap: imaplib.IMAP4) -> None:
        self.imap = imap

    def close(self) -> None:
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            self.imap.logout()


def _connected(host: str, port: int, secured: bool) -> imaplib.IMAP4:
    if secured:
        return imaplib.IMAP4_SSL(host, port, ssl_context=_context(), timeout=SECONDS)
    return imaplib.IMAP4(host, port, timeout=SECONDS)


def _context() -> ssl.SSLContext:
    """Of this node itself, which may still show the certificate that it made: there is nobody to vouch for it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _said(words: Any) -> str:
    """A server's words, without the list of what it can."""
    text = words.decode("ascii", "replace") if isinstance(words, bytes) else str(words)
    return plain(re.sub(r"\[CAPABILITY [^]]*\] ?", "", text), 200)
