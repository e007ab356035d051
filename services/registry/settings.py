"""Every variable of this service, with unit and default; those of all services are in `shared.process.settings`."""

from __future__ import annotations

from shared.process.settings import ServiceSettings


class Settings(ServiceSettings):
    """Prefix `PARKUNION_`."""

    @property
    def topic(self) -> str:
        """What this service publishes to."""
        return f"{self.topic_prefix}registry.v1"
