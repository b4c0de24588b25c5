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

    __slots__ = ("_by_length",)

    def __init__(self, networks: Iterable[str]) -> None:
        """Raises ValueError naming the text that is no network."""
        self._by_length: dict[tuple[int, int], dict[int, str]] = {}
        for text in networks:
            network = _network(text)
            shift = network.max_prefixlen - network.prefixlen
            self._by_length.setdefault((network.version, shift), {})[int(network.network_address) >> shift] = text

    def __bool__(self) -> bool:
        return bool(self._by_length)

    def __contains__(self, ip: str) -> bool:
        return bool(self._by_length) and bool(self.around(ip))

    def around(self, ip: str) -> list[str]:
        """The networks that an address is in, as they were written."""
        try:
            version, value = parse(ip)
        except ValueError:
            return []
        lengths = self._by_length.items()
        found = (prefixes.get(value >> shift) for (of, shift), prefixes in lengths if of == version)
        return [text for text in found if text is not None]


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    network = ipaddress.ip_network(text, strict=False)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((int(mapped), network.prefixlen - 96), strict=False)
    return network
