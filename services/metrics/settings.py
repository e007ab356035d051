"""The settings of metrics, with unit and default; those of all services are in `shared.process.settings`."""

from __future__ import annotations

from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from shared.browser.settings import BrowserSettings
from shared.contracts.services import SERVICES, TOPIC_PREFIX
from shared.process.clock import Clock
from shared.process.settings import MigrationSettings, Zone


class Target(BaseModel):
    """A rate on a basis should exceed `percent`, by the day `due` if that is set."""

    metric: Literal["unit_founding_rate", "worker_joining_rate"]
    basis: Literal["all", "ge25", "unionised"] = "all"
    operator: Literal["gt"] = "gt"
    percent: int = Field(85, ge=0, le=100)
    due: date | None = None


class Settings(BrowserSettings):
    """Environment variables with the prefix `PARKUNION_`."""

    declared = SERVICES["metrics"]

    fold_batch: int = Field(30_000, ge=1)
    """The most events that the projector folds in one transaction."""

    sign_in_client_id: str = "parkunion-dashboard"
    sign_in_scope: str = "openid profile metrics:read"
    targets: list[Target] = Field(default_factory=lambda: [Target(metric="unit_founding_rate"), Target(metric="worker_joining_rate")])
    """Targets of the rates, as JSON."""


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
