"""Every variable of this service, with unit and default; those of all services are in `shared.process.settings`."""

from __future__ import annotations

from shared.contracts.services import SERVICES
from shared.process.settings import ServiceSettings


class Settings(ServiceSettings):
    """Prefix `PARKUNION_`."""

    declared = SERVICES["registry"]
