"""The formats inside values: host and port, network, domain, size. Pure; each says whether a text is one."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_SIZE: Final = re.compile(r"(\d{1,15})(?: ?([KMG])(?:i?B)?| ?B)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_PIN: Final = re.compile(r"sha256:[0-9A-Fa-f]{64}")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def host_port(text: str) -> tuple[str, int]:
    """Host (without brackets) and port of "HOST:PORT" or "[IPV6]:PORT". Raises ValueError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not HOST:PORT")
    if not (is_ip6(host) if bracketed else is_domain(host)):
        raise ValueError(f"{host!r} is neither a host name nor an address")
    return host, int(port)


def is_ip6(text: str) -> bool:
    """Whether it is an IPv6 address."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def is_ip(text: str) -> bool:
    """Whether it is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_domain(text: str) -> bool:
    """Whether it is a host or domain name (also an IPv4 address, which looks like one); letters of any language."""
    try:
        return len(text) < 254 and bool(_DOMAIN.fullmatch(text if text.isascii() else text.encode("idna").decode()))
    except UnicodeError:
        return False


def network(text: str) -> Network:
    """The network of "ADDRESS/BITS" or of one address. Raises ValueError."""
    return ipaddress.ip_network(text)


def octets(value: str | int) -> int:
    """The size that "50 MiB", "64K" or a plain number means; units are powers of 1024. Raises ValueError."""
    if isinstance(value, int):
        return value
    found = _SIZE.fullmatch(value.strip())
    if not found:
        raise ValueError(f"{value!r} is not a size like 50 MiB")
    return int(found[1]) * _UNITS[(found[2] or "").upper()]


def is_pin(text: str) -> bool:
    """Whether it is sha256: and 64 hexadecimal digits."""
    return bool(_PIN.fullmatch(text))


def is_line(text: str) -> bool:
    """Whether it is one line without control characters: nothing that could end a command or a log line."""
    return not any(ord(char) < 32 or ord(char) == 127 for char in text)
