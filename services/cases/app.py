"""The one place where cases is put together: its API, its pages and its background roles."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from services.cases.entries import waking
from services.cases.entries.needs import Context
from services.cases.settings import Settings
from shared.browser import cleaning as browser
from shared.directory.events import directory_reader
from shared.process.serve import Role
from shared.service.roles import background_roles

if TYPE_CHECKING:
    from fastapi import FastAPI


def api(settings: Settings) -> FastAPI:
    """The web application."""
    from services.cases import pages
    from services.cases.routes import ROUTERS
    from shared.service.api import writing_api

    def connected(app: FastAPI) -> None:
        app.state.session_states = pages.SessionStates(app.state.pool)

    app = writing_api(settings, ROUTERS, Context.of(settings), authenticators=[pages.by_cookie], connected=connected)
    app.state.site = pages.SITE
    app.state.provider = pages.Provider(settings) if settings.sign_in_issuer else None
    return app


def roles(settings: Settings) -> dict[str, Role]:
    """The background roles by name."""
    found = background_roles(settings, directory_reader(), browser.TRIMS)
    return {**found, "clocks": partial(waking.run, settings, Context.of(settings))}
