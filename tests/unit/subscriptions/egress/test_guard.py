"""Which addresses a request may go to, and which it may not, however they are written."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from services.subscriptions.egress.guard import is_allowed, permitted

REFUSED = {
    "this network": ["0.0.0.0", "0.1.2.3"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    "CGNAT": ["100.64.0.1", "100.127.255.254"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "link-local and metadata": ["169.254.0.1", "169.254.169.254", "fe80::1", "fe80::1%eth0"],
    "metadata of clouds": ["fd00:ec2::254", "100.100.100.200"],
    "ULA": ["fc00::1", "fdff::1"],
    "site-local": ["fec0::1"],
    "IPv4 mapped": ["::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8"],
    "IPv4 compatible and translated": ["::7f00:1", "::ffff:0:7f00:1"],
    "6to4": ["2002:7f00:1::", "2002:808:808::1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1"],
    "Teredo": ["2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "class E and broadcast": ["240.0.0.1", "255.255.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "documentation and benchmarks": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "2001:db8::1", "3fff::1", "2001:2::1"],
    "protocols": ["192.0.0.1", "192.88.99.1", "5f00::1", "100::1"],
    "unspecified": ["::"],
    "no address": ["", "localhost", "8.8.8", "0x8.8.8.8", "08.8.8.8"],
}


@pytest.mark.parametrize("address", [one for group in REFUSED.values() for one in group])
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not permitted(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "101.6.6.6", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "240e::1"])
def test_a_public_address_is_permitted(address: str) -> None:
    assert permitted(address)


def test_an_allowed_network_permits_its_addresses_only() -> None:
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00::/16")]
    assert permitted("10.1.2.3", allowed)
    assert permitted("::ffff:10.1.2.3", allowed)
    assert permitted("fd00::1", allowed)
    assert not permitted("10.2.0.1", allowed)
    assert not permitted("fd01::1", allowed)
    assert not permitted("fd00::1%eth0", allowed)
    assert not permitted("64:ff9b::a01:203", allowed)
    assert not is_allowed("8.8.8.8", allowed)
