"""Every variable of this service, with unit and default; those of all services are in `shared.process.settings`."""

from __future__ import annotations

from shared.contracts.services import SERVICES
from shared.process.settings import KeyRing, ServiceSettings


class Settings(ServiceSettings):
    """Prefix `PARKUNION_`."""

    declared = SERVICES["membership"]

    encryption_keys: KeyRing
    """Encrypt documents; the highest version writes, all can read."""
    hash_keys: KeyRing
    """Find persons by document; the highest version writes, all are looked for."""

    @property
    def registry_topic(self) -> str:
        """The topic that the directory is read from."""
        return SERVICES["registry"].topic(self.topic_prefix)
