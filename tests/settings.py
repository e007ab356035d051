"""The settings of the tests: environment variables `PARKUNION_TEST_<NAME>`."""

from __future__ import annotations

import secrets

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServerSettings(BaseSettings):
    """Where the PostgreSQL and the Kafka of the tests come from."""

    model_config = SettingsConfigDict(env_prefix="PARKUNION_TEST_")

    containers: bool = False
    """Run them in containers of the Docker engine of this machine instead of with the programs of the local stack."""
    postgres_image: str = "postgres:18"
    """An image with the interface of the official `postgres`, version 18 or later."""
    kafka_image: str = "apache/kafka:4.4.0"
    """An image with the interface of the official `apache/kafka`."""


class ChaosSettings(BaseSettings):
    """How much is broken on purpose."""

    model_config = SettingsConfigDict(env_prefix="PARKUNION_TEST_")

    seed: int = Field(default_factory=lambda: secrets.randbelow(2**32))
    """What chance depends on; printed by every test that uses it."""
    every_line: bool = False
    """Kill at every line, not at a sample of them."""
    line_step: int = Field(61, ge=1)
    """Otherwise: every so many lines."""
    chaos_seconds: float = Field(10, gt=0)
    """Seconds of load under which processes are killed."""
    rounds: int = Field(1, ge=1)
    """How often readers are told everything wrongly and each fault strikes; after the first, how often an upgrade goes back and forth."""


class PropertySettings(BaseSettings):
    """How much the properties of the fold are asked."""

    model_config = SettingsConfigDict(env_prefix="PARKUNION_TEST_")

    histories: int = 100
    """Histories that tests/unit/metrics/folding/test_histories.py folds in every way, and a quarter of it those that
    tests/integration/subscriptions/proof/test_entitled.py gives to the fan-out; some thousands take minutes."""
