"""All routes of subscriptions."""

from __future__ import annotations

from fastapi import APIRouter

from services.subscriptions import portal
from services.subscriptions.signing.routes import router as signing_router
from shared.http.parked_routes import parked_router


def routers() -> list[APIRouter]:
    """The routers, in the order of the documentation."""
    return [signing_router, parked_router("subscriptions"), portal.router]
