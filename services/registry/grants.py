"""Who may act where: an area is granted if it, or an area that it lies in, is one of the caller's."""

from __future__ import annotations

from services.registry.domain.state import World
from shared.http.auth import Areas
from shared.problems.errors import Forbidden


def require_granted(world: World, areas: Areas, code: str | None, field: str) -> None:
    """Raises AREA_NOT_GRANTED (403). An area that is not known lies in nothing but itself; None, above every root, needs everything."""
    known = world.areas.get(code) if code is not None else None
    path = known.path if known else (code,) if code is not None else None
    if not areas.inside(path):
        raise Forbidden("AREA_NOT_GRANTED", field=field, params={"area": code or "*"})
