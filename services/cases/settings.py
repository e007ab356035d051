"""Every variable of this service, with unit and default; those of all services are in `shared.process.settings`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from shared.browser.settings import BrowserSettings
from shared.contracts.services import SERVICES
from shared.process.settings import KeyRing


def _without_slash(value: str | None) -> str | None:
    return value.rstrip("/") if value else None


class Settings(BrowserSettings):
    """Prefix `PARKUNION_`."""

    declared = SERVICES["cases"]

    sign_in_client_id: str = "parkunion-cases"
    sign_in_scope: str = "openid profile cases:read cases:write cases:persons"
    dashboard_url: Annotated[str | None, AfterValidator(_without_slash)] = None
    """URL under which browsers reach the dashboard of metrics, to whose pages of enterprises these pages lead; none: they show ids alone."""
    encryption_keys: KeyRing
    """Encrypt what is kept of persons; the highest version writes, all can read."""
    hash_keys: KeyRing
    """Find persons by document; the highest version writes, all are looked for."""
