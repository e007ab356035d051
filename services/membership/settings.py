"""Every variable of this service, with unit and default; those of all services are in `shared.process.settings`."""

from __future__ import annotations

from shared.process.settings import KeyRing, ServiceSettings


class Settings(ServiceSettings):
    """Prefix `PARKUNION_`."""

    encryption_keys: KeyRing
    """Encrypt documents; the highest version writes, all can read."""
    hash_keys: KeyRing
    """Find persons by document; the highest version writes, all are looked for."""

    @property
    def registry_topic(self) -> str:
        """What this service learns from."""
        return f"{self.topic_prefix}registry.v1"

    @property
    def topic(self) -> str:
        """What this service publishes to."""
        return f"{self.topic_prefix}membership.v1"
