"""Puts the service together: its API and its background roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.directory.events import directory_reader
from shared.process.serve import Role
from shared.service.enterprises import Context
from shared.service.roles import background_roles
from tests.training_service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI


def api(settings: Settings) -> FastAPI:
    """The web application."""
    from shared.service.api import writing_api
    from tests.training_service.routes import ROUTERS

    return writing_api(settings, ROUTERS, Context.of(settings))


def roles(settings: Settings) -> dict[str, Role]:
    """The background roles by name."""
    return background_roles(settings, directory_reader())
