"""Client addresses: the key they are counted by, and sets of networks that are asked on every log-in.

Must never resolve a name. IPv4 addresses that arrive as IPv6 (::ffff:192.0.2.1) are IPv4 here, so that nobody gets
around a ban or a limit by the way he came in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

CACHED: Final = 4096  # addresses parsed lately; parsing costs more than all the rest of an admission
IPV6_CLIENT_BITS: Final = 64  # what one IPv6 client is commonly given


@lru_cache(CACHED)
def parse(ip: str) -> tuple[int, int]:
    """Version and value. Raises ValueError."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.version, int(address)


@lru_cache(CACHED)
def client_key(ip: str) -> str:
    """What a client is counted by: its IPv4 address, or the /64 its IPv6 address is in."""
    try:
        version, value = parse(ip)
    except ValueError:
        return ip
    if version == 4:
        return str(ipaddress.IPv4Address(value))
    return str(ipaddress.IPv6Network((value >> IPV6_CLIENT_BITS << IPV6_CLIENT_BITS, IPV6_CLIENT_BITS)))


class Networks:
    """An immutable set of networks and single addresses. Asking costs one dictionary per prefix length in use."""

    __slots__ = ("_by_version",)

    def __init__(self, networks: Iterable[str]) -> None:
        """Raises ValueError naming the text that is no network."""
        by_length: dict[int, dict[int, dict[int, str]]] = {}  # version: bits of no interest: prefix: as written
        for text in networks:
            network = _network(text)
            shift = network.max_prefixlen - network.prefixlen
            prefixes = by_length.setdefault(network.version, {}).setdefault(shift, {})
            prefixes[int(network.network_address) >> shift] = text
        self._by_version = {version: tuple(lengths.items()) for version, lengths in by_length.items()}

    def __bool__(self) -> bool:
        return bool(self._by_version)

    def __contains__(self, ip: str) -> bool:
        if not self._by_version:
            return False
        try:
            version, value = parse(ip)
        except ValueError:
            return False
        for shift, prefixes in self._by_version.get(version, ()):  # noqa: SIM110 - a generator costs more than the rest
            if value >> shift in prefixes:
                return True
        return False

    def around(self, ip: str) -> list[str]:
        """The networks that an address is in, as they were written."""
        try:
            version, value = parse(ip)
        except ValueError:
            return []
        found = (prefixes.get(value >> shift) for shift, prefixes in self._by_version.get(version, ()))
        return [text for text in found if text is not None]


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    network = ipaddress.ip_network(text, strict=False)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((int(mapped), network.prefixlen - 96), strict=False)
    return network
