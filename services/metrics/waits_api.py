"""The routes of the time to found: medians by group, and the Kaplan–Meier curve of one scope."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from services.metrics import waits
from services.metrics.api import VERSION_HEADER, day_or_today, questions_of
from services.metrics.grants import READ, require_granted
from services.metrics.questions import Snapshot
from services.metrics.schemas import Area, AsOf, Basis, By, KnownAt, basis
from services.metrics.survival import Step
from services.metrics.waits import Waits, require_durations
from shared.answers import json_response, language_of
from shared.problems import Unprocessable
from shared.web import CallerOf

DIGITS = 6
"""Of a survival: one enterprise in a million."""

router = APIRouter(prefix="/v1/durations", tags=["durations"])


class WaitsAnswer(BaseModel):
    """The waits of one group; `area` is its code, `all` in the last row. Days are calendar days; `median_lower` and `median_upper` are the
    interval of 95 %. A median that is null is not reached (NOT_REACHED: more than half are waiting still), or there is nobody (NO_BASE)."""

    area: str
    name: str
    founded: int
    waiting: int
    median: int | None
    median_lower: int | None
    median_upper: int | None
    reason: Literal["NO_BASE", "NOT_REACHED"] | None


class DurationsAnswer(Basis):
    """Rows by code, empty ones left out, the total last."""

    rows: list[WaitsAnswer]


class StepAnswer(BaseModel):
    """One day of the curve: of `at_risk`, `founded` on it, and `censored` known to wait no further than it; `survival` after it."""

    day: int
    at_risk: int
    founded: int
    censored: int
    survival: float


class CurveAnswer(Basis):
    """One row and its curve by day, one step for each day on which somebody leaves."""

    area: str | None
    by: By | None
    group: str | None
    row: WaitsAnswer
    steps: list[StepAnswer]


@router.get("", response_model=DurationsAnswer)
async def durations(
    request: Request,
    caller: CallerOf,
    area: Area = None,
    by: Annotated[By | None, Query()] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> Response:
    """How long enterprises waited from their start to their first union: how many, and the median with those that are waiting still."""
    caller.require(READ)
    async with questions_of(request).snapshot(caller.areas) as snapshot:
        require_granted(snapshot, caller, area)
        require_durations(snapshot)
        day, known = day_or_today(snapshot, as_of, "as_of"), day_or_today(snapshot, known_at, "known_at")
        answer = await waits.durations(snapshot, area=area, by=by, as_of=day, known_at=known, language=language_of(request))
        rows = [waits_body(row) for row in (*answer.rows, answer.total)]
        return _page(snapshot, {**basis(snapshot, as_of=day, known_at=known), "rows": rows})


@router.get("/curve", response_model=CurveAnswer)
async def curve(
    request: Request,
    caller: CallerOf,
    area: Area = None,
    by: Annotated[By | None, Query()] = None,
    group: Annotated[str | None, Query(max_length=64, description="With `by`: the row's `area`.")] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> Response:
    """The Kaplan–Meier curve of an area, or of one group in it: the share that is still waiting after so many days."""
    caller.require(READ)
    if (group is None) != (by is None):
        raise Unprocessable("FIELD_REQUIRED", field="by" if by is None else "group")
    async with questions_of(request).snapshot(caller.areas) as snapshot:
        require_granted(snapshot, caller, area)
        require_durations(snapshot)
        day, known = day_or_today(snapshot, as_of, "as_of"), day_or_today(snapshot, known_at, "known_at")
        answer = await waits.durations(snapshot, area=area, by=by, as_of=day, known_at=known, language=language_of(request))
        row = answer.total if group is None else next((row for row in answer.rows if row.code == group), Waits(group))
        body = {
            **basis(snapshot, as_of=day, known_at=known),
            "area": area,
            "by": by,
            "group": group,
            "row": waits_body(row),
            "steps": [step_body(step) for step in row.curve()],
        }
        return _page(snapshot, body)


def _page(snapshot: Snapshot, body: dict[str, Any]) -> Response:
    return json_response(body, headers={VERSION_HEADER: snapshot.version, "Vary": "Accept-Language"})


def waits_body(row: Waits) -> dict[str, Any]:
    """The fields of `WaitsAnswer`."""
    founded, waiting = row.numbers
    found, reason = row.median()
    return {
        "area": row.code,
        "name": row.name or row.code,
        "founded": founded,
        "waiting": waiting,
        "median": found.days,
        "median_lower": found.lower,
        "median_upper": found.upper,
        "reason": reason,
    }


def step_body(step: Step) -> dict[str, Any]:
    """The fields of `StepAnswer`."""
    survival = round(step.survival, DIGITS)
    return {"day": step.day, "at_risk": step.at_risk, "founded": step.founded, "censored": step.censored, "survival": survival}
