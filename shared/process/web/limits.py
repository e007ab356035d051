"""How much of a request is read, in which time, and how many connections a peer may have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

IPV6_SITE = 64
"""Bits of an IPv6 address that name a peer: the rest is chosen freely within its network."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Sizes in bytes, times in seconds. A body may take `body_seconds`, and one second more for each `body_rate` bytes of it."""

    per_peer: int = 1024
    request_line: int = 8 * 1024
    headers: int = 32 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    body_rate: int = 8 * 1024
    idle_seconds: float = 30.0
    unread_seconds: float = 30.0
    """How long a client may leave an answer unread."""


class Peers:
    """Open connections by peer. `trusted`: addresses and networks of proxies, which limit their own clients."""

    def __init__(self, limits: ConnectionLimits, trusted: Sequence[str] = ()) -> None:
        self.limits = limits
        self._trusted = [ip_network(one, strict=False) for one in trusted]
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> tuple[str, bool]:
        """(the peer's name for `leave`, whether it may have one more connection)"""
        try:
            found = ip_address(address)
        except ValueError:
            return "", True  # a socket of the file system
        if any(found.version == network.version and found in network for network in self._trusted):
            return "", True
        peer = address if found.version == 4 else str(ip_network((found, IPV6_SITE), strict=False))
        self._open[peer] += 1
        return peer, not self.limits.per_peer or self._open[peer] <= self.limits.per_peer

    def leave(self, peer: str) -> None:
        """A connection of the peer is closed."""
        if peer:
            self._open[peer] -= 1
            if not self._open[peer]:
                del self._open[peer]
