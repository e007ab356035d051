"""All routes of subscriptions."""

from __future__ import annotations

from fastapi import APIRouter

from services.subscriptions.receiving import routes as receiving
from shared.http.parked_routes import parked_router


def routers() -> list[APIRouter]:
    """The routers, in the order of the documentation."""
    return [receiving.router, parked_router("subscriptions")]
