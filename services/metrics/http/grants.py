"""Who may ask about which area: decided by the tree of today, before any figure is read."""

from __future__ import annotations

from services.metrics.figures.questions import Snapshot
from shared.http.auth import Caller
from shared.problems.errors import NotFound

READ = "metrics:read"


def require_granted(snapshot: Snapshot, caller: Caller, area: str | None, field: str = "area") -> None:
    """Raises AREA_NOT_GRANTED (403) unless the area lies in the caller's; `area` None is everything. Then UNKNOWN_AREA (404)."""
    known = area is not None and area in snapshot.areas
    caller.require_area(area, snapshot.areas.latest().path(area) if known and area else None, field)
    if area is not None and not known:
        raise NotFound("UNKNOWN_AREA", field=field, params={"area": area})
