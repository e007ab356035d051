"""Every variable of this service, with unit and default; those of all services are in `shared.process.settings`."""

from __future__ import annotations

from shared.contracts.services import SERVICES
from shared.process.settings import KeyRing, ServiceSettings


class Settings(ServiceSettings):
    """Prefix `PARKUNION_`."""

    declared = SERVICES["cases"]

    encryption_keys: KeyRing
    """Encrypt what is kept of persons; the highest version writes, all can read."""
    hash_keys: KeyRing
    """Find persons by document; the highest version writes, all are looked for."""
