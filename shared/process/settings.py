"""The settings of every service: environment variables `PARKUNION_<NAME>`, with units and defaults.

A service extends `ServiceSettings` in its settings.py. Nothing else in `shared` and `services` reads the environment.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.contracts.codes import BY_NAME, FORM, LISTS, Named
from shared.contracts.services import TOPIC_PREFIX, Service
from shared.problems.personal import holds_resident_number
from shared.problems.texts import CONTROL, shows_nothing
from shared.process.clock import Clock
from shared.process.faults import Fault

S = TypeVar("S", bound=BaseSettings)

SHORTEST_SECRET = 16
KEY_BYTES = 32
LONGEST_LABEL = 100
"""Characters of a code's name."""


class SettingsError(Exception):
    """A variable is missing or invalid. The text names it, never its value."""


def _secret(value: Any) -> bytes:
    try:
        secret = value if isinstance(value, bytes) else bytes.fromhex(value)
    except (ValueError, TypeError):
        raise ValueError("must be written in hexadecimal digits") from None
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"must have at least {SHORTEST_SECRET} bytes")
    return secret


def _key_ring(value: Any) -> dict[int, bytes]:
    if isinstance(value, dict):
        return value
    ring: dict[int, bytes] = {}
    for entry in str(value).split(","):
        version, _, digits = entry.strip().partition(":")
        try:
            number, key = int(version), bytes.fromhex(digits)
        except ValueError:
            raise ValueError("must be written as 1:<64 hexadecimal digits>,2:…") from None
        if len(key) != KEY_BYTES or number < 1 or number in ring:
            raise ValueError(f"must hold keys of {KEY_BYTES} bytes under different versions from 1 on")
        ring[number] = key
    return ring


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no zone of the IANA database") from None
    return value


def _more_codes(value: Any) -> dict[str, dict[str, Named]]:
    """`{list: {code: {"zh": …, "en": …}}}` in JSON."""
    try:
        found = msgspec.json.decode(value, type=dict[str, dict[str, _Names]]) if isinstance(value, str) else value
    except msgspec.MsgspecError:
        raise ValueError('must be written {"<list>": {"<code>": {"zh": "…", "en": "…"}}} in JSON') from None
    more: dict[str, dict[str, Named]] = {}
    for name, codes in found.items():
        known = BY_NAME.get(name)
        if known is None or not known.more:
            raise ValueError(f"names no list that takes more codes; they are {', '.join(one.name for one in LISTS if one.more)}")
        for code, named in codes.items():
            if not FORM.fullmatch(code) or holds_resident_number(code):
                raise ValueError(
                    f"{name}: a code has lower-case letters, digits, underscores and hyphens, 64 at most, and a letter among them"
                )
            if code in known.listed or code in known.own:
                raise ValueError(f"{name}: the list has the code {code} already")
            shown = Named(named.zh.strip(), named.en.strip())
            if any(not text or shows_nothing(text) or len(text) > LONGEST_LABEL or CONTROL.search(text) for text in shown):
                raise ValueError(f"{name}: {code} needs a name in Chinese (zh) and one in English (en), {LONGEST_LABEL} characters at most")
            more.setdefault(name, {})[code] = shown
    return more


def _names(value: Any) -> Any:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _networks(value: list[str]) -> list[str]:
    for network in value:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise ValueError("holds addresses and networks such as 10.0.0.0/8") from None
    return value


def _fault(value: Any) -> Any:
    return Fault.parse(value) if isinstance(value, str) else value


class _Names(msgspec.Struct, forbid_unknown_fields=True):
    zh: str
    en: str


HexSecret = Annotated[bytes, BeforeValidator(_secret), Field(repr=False)]
"""A secret of at least 16 bytes, in hexadecimal digits; read as bytes."""
KeyRing = Annotated[dict[int, bytes], NoDecode, BeforeValidator(_key_ring), Field(repr=False)]
"""`{version: key of 32 bytes}`, written `1:<hex>,2:<hex>`; the highest version writes."""
Zone = Annotated[str, AfterValidator(_zone)]
"""The deployment's zone, by its name in the IANA database."""
MoreCodes = Annotated[dict[str, dict[str, Named]], NoDecode, BeforeValidator(_more_codes)]
"""`{list: {code: its names}}` that a deployment adds to the closed lists of shared/contracts/codes.py (docs/codes.md)."""
Names = Annotated[list[str], NoDecode, BeforeValidator(_names)]
"""Names, comma-separated."""
Proxies = Annotated[list[str], NoDecode, BeforeValidator(_names), AfterValidator(_networks)]
"""Addresses and networks, comma-separated."""


class ServiceSettings(BaseSettings):
    """Settings of a process of any service."""

    declared: ClassVar[Service]
    """The service's declaration."""

    model_config = SettingsConfigDict(env_prefix="PARKUNION_", extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    dsn: str = Field(min_length=1, repr=False)
    """PostgreSQL, as the service's role `<service>_app`."""
    kafka: str
    """Kafka's bootstrap servers, `host:port`, comma-separated."""
    partitions: int = Field(48, ge=1)
    """Partitions of every topic; asserted at start."""
    topic_prefix: str = TOPIC_PREFIX
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    issuer: str
    """`iss` of the tokens."""
    jwks_url: str
    """URL of the issuer's public keys."""
    audience: str = "parkunion"
    """`aud` of the tokens."""
    token_algorithms: Names = ["ES256"]
    """Accepted signature algorithms: of ES256, ES384, RS256, PS256, EdDSA."""
    zone: Zone = "Asia/Shanghai"
    """The deployment's zone, in which days begin and end."""
    fingerprint_key: HexSecret
    """Key of the fingerprints in idempotency rows, and of the hashes of their keys."""
    cursor_key: HexSecret
    """Signs the cursors of lists."""
    more_codes: MoreCodes = {}
    """Codes of the deployment, the same for every service: `{"<list>": {"<code>": {"zh": "…", "en": "…"}}}` in JSON (docs/codes.md)."""
    log_level: str = "INFO"
    pool_size: int = Field(10, ge=1)
    """Database connections of the process."""
    relay_batch: int = Field(1000, ge=1)
    """Events that the relay publishes at a time."""
    relay_idle_ms: int = Field(25, ge=1)
    """Milliseconds between two polls of an outbox that held less than `relay_batch` events."""
    instance: str | None = None
    """Name of this process, unique among those that run and the same after a restart: members that a killed process of this name has left in
    a Kafka group are removed at once, instead of after the session timeout."""
    close_days: bool = True
    """Whether a source publishes `day-closed`. Off in a roll-out until every reader knows the type."""
    hosts: Names = []
    """Host names (without port) under which clients reach the service; requests with another one are refused. Empty: any. No answer depends
    on the name that a client sends."""
    connections_per_peer: int = Field(1024, ge=0)
    """Open connections of one address (of an IPv6 network of 64 bits); 0: any number. Does not apply to `trusted_proxies`."""
    trusted_proxies: Proxies = []
    """Addresses and networks of the reverse proxies before the service, whose X-Forwarded-For names the client."""
    rate_per_second: float = Field(2000, gt=0)
    """Requests per second of one client, sustained."""
    rate_burst: int = Field(10_000, ge=1)
    """Requests of one client in a burst."""
    heartbeat: Path | None = None
    """A file into which the process writes its monotonic clock once a second, so that a supervisor notices a frozen process."""
    fault: Annotated[Fault | None, NoDecode, BeforeValidator(_fault)] = None
    """For tests: a fault to inject, `<point>:<n>:kill|stop|cancel|raise` (`shared.process.faults`)."""
    otlp_endpoint: str | None = Field(
        None, validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint")
    )
    """If set, traces are exported; the exporter reads all of OpenTelemetry's standard variables."""

    @property
    def topic(self) -> str:
        """What the service publishes to."""
        return self.declared.topic(self.topic_prefix)

    @property
    def topics(self) -> list[str]:
        """What the service reads."""
        return self.declared.topics_read(self.topic_prefix)

    @property
    def zone_info(self) -> ZoneInfo:
        """`zone` as an object."""
        return ZoneInfo(self.zone)

    @property
    def clock(self) -> Clock:
        """The platform's clock in the deployment's zone."""
        return Clock(self.zone_info)


class MigrationSettings(BaseSettings):
    """Settings of the role `migrate`, which holds the owner's password."""

    model_config = SettingsConfigDict(env_prefix="PARKUNION_", extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    migration_dsn: SecretStr
    """PostgreSQL, as the role `<service>_owner`."""
    log_level: str = "INFO"


def load(kind: type[S]) -> S:
    """Read settings from the environment. Raises SettingsError, whose text names each variable and what is wrong with it."""
    try:
        return kind()
    except ValidationError as error:
        faults = []
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = str(fault["loc"][0]) if fault["loc"] else ""
            what = "is missing" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
            faults.append(f"{name if name.isupper() else f'PARKUNION_{name.upper()}'}: {what}")
        raise SettingsError("; ".join(faults)) from None
