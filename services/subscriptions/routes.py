"""All routes of subscriptions."""

from __future__ import annotations

from collections.abc import Sequence

from services.subscriptions import portal
from services.subscriptions.grants.routes import router as grants
from services.subscriptions.oversight.routes import router as oversight
from services.subscriptions.proof.routes import router as proof_router
from services.subscriptions.receiving.routes import router as receiving_router
from services.subscriptions.signing.routes import router as signing_router
from services.subscriptions.subscribing.delivery_routes import router as deliveries
from services.subscriptions.subscribing.routes import router as subscriptions
from services.subscriptions.subscribing.state_routes import router as states
from shared.http.parked_routes import parked_router
from shared.http.requests import Router

ROUTERS: Sequence[Router] = (
    grants,
    subscriptions,
    states,
    deliveries,
    receiving_router,
    proof_router,
    oversight,
    signing_router,
    parked_router("subscriptions"),
    portal.router,
)
"""In the order of the documentation."""
