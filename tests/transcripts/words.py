"""What the NAMES in transcripts stand for, protocol by protocol: the fixed lines that most of them begin with.

A protocol's folder of transcripts, its NAMES here and its promises here have one name, that of its service.
"""

from __future__ import annotations

from collections.abc import Callable

HOSTNAME = "mail.example.test"
HOST = HOSTNAME.encode()

IMAP_OFFERS = {
    "clear": b"STARTTLS LOGINDISABLED",
    "open": b"STARTTLS AUTH=PLAIN AUTH=LOGIN",
    "tls": b"AUTH=PLAIN AUTH=LOGIN",
}
IMAP_STORE = b"IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN"
POP3_OFFERS = {
    "clear": b"STLS",
    "open": b"STLS\r\nUSER\r\nSASL PLAIN LOGIN",
    "tls": b"USER\r\nSASL PLAIN LOGIN",
}
SIEVE_OFFERS = {
    "clear": b'"SASL" ""\r\n"STARTTLS"',
    "open": b'"SASL" "PLAIN LOGIN"\r\n"STARTTLS"',
    "tls": b'"SASL" "PLAIN LOGIN"',
}


def imap(door: str) -> dict[bytes, bytes]:
    """IMAP's greetings and capabilities, ours and a store's."""
    offer = b"IMAP4rev1 SASL-IR LITERAL- ID " + IMAP_OFFERS[door]
    return {
        b"ready": b"* OK [CAPABILITY " + IMAP_STORE + b"] ready",
        b"store": IMAP_STORE,
        b"greeting": b"* OK [CAPABILITY %b] %b ready" % (offer, HOST),
        b"capability": b"* CAPABILITY " + offer,
    }


def pop3(door: str) -> dict[bytes, bytes]:
    """POP3's greetings and capabilities, ours and a store's."""
    offer = b"PIPELINING\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n" + POP3_OFFERS[door]
    return {
        b"ready": b"+OK ready",
        b"greeting": b"+OK %b ready" % HOST,
        b"capability": b"+OK Capability list follows\r\n%b\r\nIMPLEMENTATION Postern\r\n." % offer,
    }


def sieve(door: str) -> dict[bytes, bytes]:
    """ManageSieve's blocks, ours and a store's."""
    ours = b'"IMPLEMENTATION" "Postern"\r\n"SIEVE" "fileinto"\r\n%b\r\n"VERSION" "1.0"\r\nOK "%b ready"'
    store = b'"IMPLEMENTATION" "Store"\r\n"SIEVE" "fileinto vacation"\r\n"SASL" "PLAIN"\r\n"STARTTLS"\r\nOK "ready"'
    return {b"greeting": ours % (SIEVE_OFFERS[door], HOST), b"ready": store}


# By the kind of door.
WORDS: dict[str, Callable[[str], dict[bytes, bytes]]] = {"imap": imap, "pop3": pop3, "sieve": sieve}

# What probes found that every store offers, where a transcript does not say.
PROMISED = {"pop3": frozenset({"PIPELINING", "SASL=LOGIN", "SASL=PLAIN", "TOP", "UIDL", "USER"})}
