"""The dashboard: server-rendered pages, updated live. `router` has its routes, `by_cookie` authenticates browsers, `running` draws charts."""

from __future__ import annotations

from fastapi import APIRouter

from services.metrics.dashboard.charts import running
from services.metrics.dashboard.provider import Provider
from services.metrics.dashboard.routes import changes, downloads, explanations, login, pages
from services.metrics.dashboard.sessions import SessionStates, by_cookie

__all__ = ["Provider", "SessionStates", "by_cookie", "router", "running"]

router = APIRouter()
for _part in (login.codes, login.router, pages.router, downloads.router, explanations.router, changes.router):
    router.include_router(_part)
