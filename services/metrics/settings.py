"""The settings of metrics, with unit and default; those of all services are in `shared.process.settings`."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationInfo

from shared.contracts.services import SERVICES, TOPIC_PREFIX
from shared.process.clock import Clock
from shared.process.settings import MigrationSettings, Names, ServiceSettings, Zone

URL = re.compile(r"https?://(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?/?")
EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104


class Target(BaseModel):
    """A rate on a basis should exceed `percent`, by the day `due` if that is set."""

    metric: Literal["unit_founding_rate", "worker_joining_rate"]
    basis: Literal["all", "ge25", "unionised"] = "all"
    operator: Literal["gt"] = "gt"
    percent: int = Field(85, ge=0, le=100)
    due: date | None = None


def _public_url(value: str | None, told: ValidationInfo) -> str | None:
    if value is None:
        if told.data.get("host") in EVERY_ADDRESS:
            raise ValueError("is needed where the service listens on every address")
        return None
    found = URL.fullmatch(value)
    if found is None:
        raise ValueError("must be written https://host or https://host:port")
    return value.rstrip("/")


def _without_slash(value: str | None) -> str | None:
    return value.rstrip("/") if value else None


class Settings(ServiceSettings):
    """Environment variables with the prefix `PARKUNION_`."""

    declared = SERVICES["metrics"]

    fold_batch: int = Field(30_000, ge=1)
    """The most events that the projector folds in one transaction."""

    public_url: Annotated[str | None, AfterValidator(_public_url), Field(validate_default=True)] = None
    """URL under which browsers reach the dashboards: `https://host[:port]`. Needed where the service listens on every address; by default
    `http://` with `host` and `port`. Addresses for logins are built from it, never from a request; with https, cookies are Secure."""
    data_label_zh: str = ""
    data_label_en: str = ""
    """Label in the dashboards' titles for synthetic or foreign data; empty for the deployment's own data."""
    session_hours: float = Field(8, gt=0, le=8)
    """Longest lifetime of a dashboard session in hours; it ends with its token if that is sooner."""
    sign_in_issuer: Annotated[str | None, AfterValidator(_without_slash)] = None
    """The OpenID provider at which officers sign in, as its description calls itself; none: only one-time codes let browsers in."""
    sign_in_client_id: str = "parkunion-dashboard"
    """This service's name at the provider. Its redirect URI there: `<public_url>/sign-in/callback`."""
    sign_in_client_secret: SecretStr | None = None
    """For a confidential client; a public one is protected by PKCE alone."""
    sign_in_scope: str = "openid profile metrics:read"
    """The scopes that are asked for, `openid` among them."""
    sign_in_algorithms: Names = Field(default_factory=lambda: ["RS256", "ES256"])
    """Accepted signature algorithms of ID tokens."""
    targets: list[Target] = Field(default_factory=lambda: [Target(metric="unit_founding_rate"), Target(metric="worker_joining_rate")])
    """Targets of the rates, as JSON."""

    @property
    def base_url(self) -> str:
        """The URL under which browsers reach the dashboards, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def https(self) -> bool:
        """Whether browsers use https, so that cookies are Secure."""
        return self.base_url.startswith("https:")


class OperatorSettings(MigrationSettings):
    """The settings of `python -m services.metrics.operate`: the owner's DSN, the log and the zone."""

    kafka: str
    """Kafka's bootstrap servers."""
    partitions: int = Field(48, ge=1)
    """Partitions of every topic."""
    topic_prefix: str = TOPIC_PREFIX
    zone: Zone = "Asia/Shanghai"

    @property
    def topics(self) -> list[str]:
        """The topics to fold."""
        return SERVICES["metrics"].topics_read(self.topic_prefix)

    @property
    def clock(self) -> Clock:
        """The platform's clock in the deployment's zone."""
        return Clock(ZoneInfo(self.zone))
