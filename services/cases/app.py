"""The one place where cases is put together: its API and its background roles."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from services.cases.entries import waking
from services.cases.entries.needs import Context
from services.cases.settings import Settings
from shared.directory.events import directory_reader
from shared.process.serve import Role
from shared.service.roles import background_roles

if TYPE_CHECKING:
    from fastapi import FastAPI


def api(settings: Settings) -> FastAPI:
    """The web application."""
    from services.cases.routes import routers
    from shared.service.api import writing_api

    return writing_api(settings, routers(), Context.of(settings))


def roles(settings: Settings) -> dict[str, Role]:
    """The background roles by name."""
    return {**background_roles(settings, directory_reader()), "clocks": partial(waking.run, settings, Context.of(settings))}
