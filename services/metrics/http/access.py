"""What every route of figures does first: check the grant in a snapshot, and resolve the days asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import date
from typing import cast

from fastapi import Request

from services.metrics.explaining.measures import EXPLAINED
from services.metrics.figures.snapshots import Snapshot, Snapshots
from shared.http.auth import Caller
from shared.http.forms import EARLIEST
from shared.problems.errors import NotFound, Unprocessable

READ = "metrics:read"
YEARS_AHEAD = 10


def snapshots_of(request: Request) -> Snapshots:
    """The application's source of snapshots."""
    return cast(Snapshots, request.app.state.questions)


@asynccontextmanager
async def granted_snapshot(request: Request, caller: Caller, area: str | None, field: str = "area") -> AsyncIterator[Snapshot]:
    """A snapshot for a caller who may read `area`. Raises what `Caller.require` and `require_granted` raise."""
    caller.require(READ)
    async with snapshots_of(request).snapshot(caller.areas) as snapshot:
        require_granted(snapshot, caller, area, field)
        yield snapshot


def require_granted(snapshot: Snapshot, caller: Caller, area: str | None, field: str = "area") -> None:
    """Decides by the latest tree. Raises AREA_NOT_GRANTED (403) unless `area` (None: everything) lies in the caller's areas, then
    UNKNOWN_AREA (404)."""
    known = area is not None and area in snapshot.areas
    caller.require_area(area, snapshot.areas.latest().path(area) if known and area else None, field)
    if area is not None and not known:
        raise NotFound("UNKNOWN_AREA", field=field, params={"area": area})


def day_or_today(snapshot: Snapshot, day: date | None, field: str) -> date:
    """The day asked for, today by default. Raises DATE_OUT_OF_RANGE (422) for a day more than ten years ahead."""
    today = snapshot.today
    latest = today.replace(year=today.year + YEARS_AHEAD, day=min(today.day, 28))
    if day is not None and day > latest:
        raise Unprocessable("DATE_OUT_OF_RANGE", field=field, params={"earliest": EARLIEST, "latest": latest})
    return day or today


def days_of(snapshot: Snapshot, as_of: date | None, known_at: date | None) -> tuple[date, date]:
    """The days of a question, each today by default. A business day to come is an outlook (`Provisional.FUTURE`); what will be known nobody
    knows. Raises DATE_OUT_OF_RANGE, KNOWN_IN_FUTURE (422)."""
    return day_or_today(snapshot, as_of, "as_of"), known_or_today(snapshot, known_at, "known_at")


def known_or_today(snapshot: Snapshot, day: date | None, field: str) -> date:
    """The known day asked for, today by default. Raises KNOWN_IN_FUTURE (422)."""
    if day is not None and day > snapshot.today:
        raise Unprocessable("KNOWN_IN_FUTURE", field=field, params={"today": snapshot.today})
    return day or snapshot.today


def require_measure(measure: str | None, allowed: Collection[str] = EXPLAINED) -> None:
    """Raises NOT_ONE_OF (422) unless `measure` is None or one of those allowed."""
    if measure is not None and measure not in allowed:
        raise Unprocessable("NOT_ONE_OF", field="measure", params={"expected": ", ".join(allowed)})
