"""The settings of subscriptions, with unit and default; those of all services are in `shared.process.settings`."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import NoDecode

from shared.browser.settings import BrowserSettings
from shared.contracts.services import SERVICES
from shared.process.clock import Clock
from shared.process.settings import KeyRing, MigrationSettings, Names, Zone

Network = IPv4Network | IPv6Network


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return [ip_network(one.strip()) for one in value.split(",") if one.strip()]
    except ValueError:
        raise ValueError("holds networks such as 10.0.0.0/8, comma-separated") from None


Networks = Annotated[list[Network], NoDecode, BeforeValidator(_networks)]
"""Networks in CIDR notation, comma-separated."""


class Settings(BrowserSettings):
    """Environment variables with the prefix `PARKUNION_`."""

    declared = SERVICES["subscriptions"]

    sign_in_client_id: str = "parkunion-portal"
    sign_in_scope: str = "openid profile subscriptions:use subscriptions:grant"
    sign_in_client_claim: str = "client"
    """The claim that names the client of a bureau for which a person acts; without it the person's own `sub` is the client."""
    encryption_keys: KeyRing
    """Encrypt signing keys and secrets; the highest version writes, all can read."""
    allow_networks: Networks = Field(default_factory=list)
    """Networks to which webhooks may go although they are not public, and over http. None by default."""
    clients: Names = Field(default_factory=list)
    """The clients (`sub`) to which something can be granted; empty: any, for a provider that does not list its clients."""
    clients_url: str | None = None
    """Where the provider lists its clients as `{"clients": [name]}`; used beside `clients`."""
    connections_per_peer: int = Field(6_000, ge=0)
    """As of every service; more than its 5,000 open streams (receiving/), since a bureau's clients may come through one address."""
    body_days: int = Field(30, ge=1)
    """Days for which the contents of events are kept for replay; ids and hashes are kept longer."""
    fanout_batch: int = Field(5_000, ge=1)
    """The most events that the fan-out decides in one transaction."""
    attempts_at_once: int = Field(512, ge=1)
    """Attempts that one delivery process has open at most."""
    attempts_per_subscription: int = Field(8, ge=1)
    """Of them those to one subscription's endpoint."""


class OperatorSettings(MigrationSettings):
    """The settings of `python -m services.subscriptions.operate`: the owner's DSN, the log and the zone."""

    kafka: str
    """Kafka's bootstrap servers."""
    zone: Zone = "Asia/Shanghai"

    @property
    def clock(self) -> Clock:
        """Tells the date of an instant."""
        return Clock(ZoneInfo(self.zone))
