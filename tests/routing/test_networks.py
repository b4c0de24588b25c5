"""Client addresses: keys, networks, bans."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.routing.bans import Bans
from appliance.routing.networks import Networks, client_key
from db.bans import Ban


@pytest.mark.parametrize(
    ("ip", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("somewhere", "somewhere"),
    ],
)
def test_client_key(ip: str, key: str) -> None:
    assert client_key(ip) == key


def test_networks() -> None:
    some = Networks(["127.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::ffff:198.51.100.0/120"])
    inside = ["127.9.9.9", "::ffff:127.0.0.1", "192.0.2.1", "2001:db8:ffff::1", "198.51.100.77"]
    outside = ["128.0.0.1", "192.0.2.2", "2001:db9::", "198.51.101.1", "::1", "nonsense", ""]
    assert [ip in some for ip in inside + outside] == [True] * 5 + [False] * 7
    assert "127.0.0.1" not in Networks([])
    assert some.around("127.0.0.1") == ["127.0.0.0/8"]
    with pytest.raises(ValueError, match="no-net"):
        Networks(["no-net"])


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 128))
def test_networks_agree_with_ipaddress(ip: object, base: object, length: int) -> None:
    import ipaddress

    length = min(length, 32 if isinstance(base, ipaddress.IPv4Address) else 128)
    network = ipaddress.ip_network(f"{base}/{length}", strict=False)
    if "::ffff:" not in f"{ip}{network}":
        assert (str(ip) in Networks([str(network)])) == (ip in network)


def test_bans_expire_by_themselves() -> None:
    now = [1000.0]
    bans = Bans(
        [
            Ban("address", "192.0.2.0/24", 0, "", 1),
            Ban("address", "198.51.100.1", 1010, "", 1),
            Ban("account", "Maria@example.test", 1010, "", 1),
            Ban("address", "no address", 0, "", 1),
            Ban("console", "203.0.113.7", 0, "", 1),
        ],
        clock=lambda: now[0],
    )
    assert bans.address("192.0.2.9") and bans.address("198.51.100.1") and bans.account("maria@example.test")
    assert not bans.address("203.0.113.7"), "a ban of the console alone turns mail away"
    now[0] = 1010
    assert bans.address("192.0.2.9") and not bans.address("198.51.100.1") and not bans.account("maria@example.test")
