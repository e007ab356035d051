"""The settings that every service has: environment variables `PARKUNION_<NAME>`, here with their units and defaults.

A service extends `ServiceSettings` in its own settings.py. Nothing else in `shared` or `services` reads the environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.contracts.services import TOPIC_PREFIX, Service
from shared.process.clock import Clock
from shared.process.faults import Fault

S = TypeVar("S", bound=BaseSettings)

SHORTEST_SECRET = 16
KEY_BYTES = 32


class UnusableSettings(Exception):
    """A variable is missing or wrong; the text names it, never its value."""


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


def _names(value: Any) -> Any:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _fault(value: Any) -> Any:
    return Fault.read(value) if isinstance(value, str) else value


HexSecret = Annotated[bytes, BeforeValidator(_secret), Field(repr=False)]
"""A secret of at least 16 bytes, in hexadecimal digits; read as bytes."""
KeyRing = Annotated[dict[int, bytes], NoDecode, BeforeValidator(_key_ring), Field(repr=False)]
"""`{version: key of 32 bytes}`, written `1:<hex>,2:<hex>`; the highest version writes."""
Zone = Annotated[str, AfterValidator(_zone)]
"""The deployment's zone, by its name in the IANA database."""
Names = Annotated[list[str], NoDecode, BeforeValidator(_names)]
"""Names with commas between."""


class ServiceSettings(BaseSettings):
    """What a process of any service is told."""

    declared: ClassVar[Service]
    """The service's declaration."""

    model_config = SettingsConfigDict(env_prefix="PARKUNION_", extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    dsn: str = Field(min_length=1, repr=False)
    """PostgreSQL, as the service's role `<service>_app`."""
    kafka: str
    """Kafka's bootstrap servers, `host:port` with commas between."""
    partitions: int = Field(48, ge=1)
    """Partitions of every topic; asserted at start."""
    topic_prefix: str = TOPIC_PREFIX
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    issuer: str
    """`iss` of the tokens."""
    jwks_url: str
    """Where the issuer's public keys are."""
    audience: str = "parkunion"
    """`aud` of the tokens."""
    token_algorithms: Names = ["ES256"]
    """Signatures taken: of ES256, ES384, RS256, PS256, EdDSA."""
    zone: Zone = "Asia/Shanghai"
    """The deployment's zone: in it days begin and end."""
    fingerprint_key: HexSecret
    """Hides bodies in idempotency rows."""
    cursor_key: HexSecret
    """Signs the cursors of lists."""
    log_level: str = "INFO"
    pool_size: int = Field(10, ge=1)
    """Database connections of the process."""
    relay_batch: int = Field(1000, ge=1)
    """Events that the relay publishes at a time."""
    relay_idle_ms: int = Field(25, ge=1)
    """Milliseconds between two looks into an outbox that held less than `relay_batch` events."""
    instance: str | None = None
    """The name of this process, another one for each that runs at the same time and the same after a restart: what a process of this
    name has left behind in a Kafka group is given back at once, instead of after its session has ended."""
    close_days: bool = True
    """Whether a source says that its days are closed. Off for a roll-out until every reader understands it."""
    rate_per_second: float = Field(2000, gt=0)
    """Requests that one client may make for long."""
    rate_burst: int = Field(10_000, ge=1)
    """Requests that one client may make at once."""
    heartbeat: Path | None = None
    """A file into which the process writes its monotonic clock once a second: who supervises it sees that it stands still."""
    fault: Annotated[Fault | None, NoDecode, BeforeValidator(_fault)] = None
    """For tests: what is to go wrong, `<point>:<n>:kill|stop|cancel|raise` (`shared.process.faults`)."""
    otlp_endpoint: str | None = Field(
        None, validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint")
    )
    """Traces are exported if it is set; the exporter itself reads all of OpenTelemetry's standard variables."""

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
        """The zone itself."""
        return ZoneInfo(self.zone)

    @property
    def clock(self) -> Clock:
        """The platform's clock in the deployment's zone."""
        return Clock(self.zone_info)


class MigrationSettings(BaseSettings):
    """What the role `migrate` is told, and nothing more: it holds the owner's password."""

    model_config = SettingsConfigDict(env_prefix="PARKUNION_", extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    migration_dsn: SecretStr
    """PostgreSQL, as the role `<service>_owner`."""
    log_level: str = "INFO"


def load(kind: type[S]) -> S:
    """Read settings from the environment. Raises UnusableSettings, whose text names each variable and what is wrong with it."""
    try:
        return kind()
    except ValidationError as error:
        faults = []
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = str(fault["loc"][0]) if fault["loc"] else ""
            what = "is missing" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
            faults.append(f"{name if name.isupper() else f'PARKUNION_{name.upper()}'}: {what}")
        raise UnusableSettings("; ".join(faults)) from None
