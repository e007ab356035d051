"""The dashboard: server-rendered pages of coverage, live after. `router` has every address, `by_cookie` knows browsers, `running` draws."""

from __future__ import annotations

from fastapi import APIRouter

from services.metrics.dashboard.charts import running
from services.metrics.dashboard.routes import curves, downloads, explaining, login
from services.metrics.dashboard.routes import pages as routes
from services.metrics.dashboard.sessions import by_cookie

__all__ = ["by_cookie", "router", "running"]

router = APIRouter()
for _part in (login.codes, login.router, routes.router, downloads.router, curves.router, explaining.router):
    router.include_router(_part)
