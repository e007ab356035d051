"""To which addresses a webhook may go: public ones, and the networks that the operator allowed. Pure.

`ipaddress.is_global` follows IANA's registries of special addresses, but judges an address that carries another one by its own range: those are opened
here, and what they carry is judged. Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo).
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_NEVER = tuple(
    ip_network(one)
    for one in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001:2::/48", "2001:db8::/32", "3fff::/20", "5f00::/16"),
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_CARRIES = (
    _NAT64,
    ip_network("2002::/16"),
    ip_network("2001::/32"),
    ip_network("::ffff:0:0/96"),
    ip_network("::ffff:0:0:0/96"),
    ip_network("::/96"),
)
"""Networks of addresses that carry an IPv4 address: NAT64, 6to4, Teredo, mapped, translated, compatible."""


def permitted(text: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether one address is public, or in an allowed network."""
    address = _address(text)
    return address is not None and (_allowed(address, allowed) or _public(address))


def is_allowed(text: str, allowed: Sequence[Network]) -> bool:
    """Whether an address, or the IPv4 address that it maps, is in a network that the operator allowed."""
    address = _address(text)
    return address is not None and _allowed(address, allowed)


def _address(text: str) -> Address | None:
    """None: it is no address, or one of a zone of this machine (`%eth0`)."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id is not None else address


def _allowed(address: Address, allowed: Sequence[Network]) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any(one in network for network in allowed for one in (address, mapped) if one is not None and one.version == network.version)


def _public(address: Address) -> bool:
    if any(address.version == network.version and address in network for network in _NEVER) or address.is_multicast:
        return False
    if isinstance(address, IPv6Address) and any(address in network for network in _CARRIES):
        return False
    return address.is_global
