"""Every variable of this service, with unit and default; those of all services are in `shared.settings`."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Prefix `PARKUNION_`."""

    fold_batch: int = Field(5000, ge=1)
    """Events that the projector folds in one transaction at most."""

    @property
    def topics(self) -> list[str]:
        """What the projector folds."""
        return [f"{self.topic_prefix}registry.v1", f"{self.topic_prefix}membership.v1"]
