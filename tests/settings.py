"""The settings of the tests: environment variables `PARKUNION_TEST_<NAME>`."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict


class ServerSettings(BaseSettings):
    """Where the PostgreSQL and the Kafka of the tests come from."""

    model_config = SettingsConfigDict(env_prefix="PARKUNION_TEST_")

    containers: bool = False
    """Run them in containers of the Docker engine of this machine instead of with the programs of the local stack."""
    postgres_image: str = "postgres:18"
    """An image with the interface of the official `postgres`, version 18 or later."""
    kafka_image: str = "apache/kafka:4.1.0"
    """An image with the interface of the official `apache/kafka`."""


class PropertySettings(BaseSettings):
    """How much the properties of the fold are asked."""

    model_config = SettingsConfigDict(env_prefix="PARKUNION_TEST_")

    histories: int = 160
    """Histories that tests/unit/metrics/test_histories.py folds in every way; some thousands take minutes."""
