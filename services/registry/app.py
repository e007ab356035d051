"""The one place where the registry is put together: its API and its background role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.registry.needs import Context
from services.registry.settings import Settings
from shared.process.serve import Role
from shared.service.roles import background_roles

if TYPE_CHECKING:
    from fastapi import FastAPI


def api(settings: Settings) -> FastAPI:
    """The web application."""
    from services.registry.routes import ROUTERS
    from shared.service.api import writing_api

    return writing_api(settings, ROUTERS, Context(settings.clock, settings.fingerprint_key))


def roles(settings: Settings) -> dict[str, Role]:
    """The background roles by name."""
    return background_roles(settings)
