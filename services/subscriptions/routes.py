"""All routes of subscriptions."""

from __future__ import annotations

from fastapi import APIRouter

from services.subscriptions.proof.routes import router as proof_router
from services.subscriptions.receiving.routes import router as receiving_router
from services.subscriptions.signing.routes import router as signing_router
from shared.http.parked_routes import parked_router


def routers() -> list[APIRouter]:
    """The routers, in the order of the documentation."""
    return [receiving_router, proof_router, signing_router, parked_router("subscriptions")]
