"""The routes of statistics: a number or rate by group and in total, and the matters behind it."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

from fastapi import Request
from starlette.responses import Response

from services.metrics.explaining import matters
from services.metrics.explaining.matters import Matter
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.statistics import aid, answers
from services.metrics.figures.statistics.answers import Question, require_tallies
from services.metrics.figures.statistics.catalogue import STATISTICS, StatisticName
from services.metrics.http.access import days_of, granted_snapshot
from services.metrics.http.bodies import page
from services.metrics.http.explaining.bodies import behind_bodies
from services.metrics.http.schemas import After, Area, AsOf, KnownAt, Limit
from services.metrics.http.statistics.bodies import aid_body, question_body, statistic_body
from services.metrics.http.statistics.schemas import (
    Grouping,
    GroupOf,
    Since,
    Statistic,
    StatisticAnswer,
    StatisticExplainAnswer,
)
from shared.http.answers import language_of
from shared.http.forms import EARLIEST
from shared.http.openapi import adding
from shared.http.pages import Cursors
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound, Unprocessable

router = Router(prefix="/v1/statistics", tags=["statistics"])


@router.get("/{name}", response_model=StatisticAnswer, openapi_extra=adding("REBUILD_NEEDED"))
async def statistic(
    request: Request,
    caller: CallerOf,
    name: Statistic,
    area: Area = None,
    by: Grouping = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    since: Since = None,
) -> Response:
    """One statistic of cases, agreements or aid, of an area as of a business day, as it was known at another."""
    language = language_of(request)
    async with granted_snapshot(request, caller, area) as snapshot:
        question = _question(snapshot, name, area, by, as_of, known_at, since)
        if name is StatisticName.AID_BY_KIND:
            return page(snapshot, aid_body(snapshot, question, await aid.published(snapshot, question), language))
        return page(snapshot, statistic_body(snapshot, question, await answers.answer(snapshot, question, language), language))


@router.get("/{name}/explain", response_model=StatisticExplainAnswer, openapi_extra=adding("REBUILD_NEEDED", NOT_FOUND=404))
async def explain(
    request: Request,
    caller: CallerOf,
    name: Statistic,
    area: Area = None,
    by: Grouping = None,
    group: GroupOf = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    since: Since = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """The cases, contracts and other matters that make a statistic up, each with every event behind it. Aid is not explained: it is of persons."""
    if name is StatisticName.AID_BY_KIND:
        raise NotFound("NOT_FOUND", field="name")
    if (group is None) != (by is None):
        raise Unprocessable("FIELD_REQUIRED", field="by" if by is None else "group")
    language, cursors = language_of(request), cast(Cursors, request.app.state.cursors)
    start = cursors.decode(after, tuple[str, str]) if after else matters.START
    async with granted_snapshot(request, caller, area) as snapshot:
        question = _question(snapshot, name, area, by, as_of, known_at, since)
        found, more = await matters.matters(snapshot, question, group, start, limit)
        body = {
            **{key: value for key, value in question_body(snapshot, question, language).items() if key not in ("basis", "text")},
            "group": group,
            "items": [await _matter_body(snapshot, one, language) for one in found],
            "next": cursors.encode(found[-1].position) if more else None,
        }
        return page(snapshot, body)


def _question(
    snapshot: Snapshot, name: StatisticName, area: str | None, by: str | None, as_of: date | None, known_at: date | None, since: date | None
) -> Question:
    """Raises REBUILD_NEEDED (503), NOT_ONE_OF for a grouping that the statistic has not, DATE_OUT_OF_RANGE (422)."""
    require_tallies(snapshot)
    day, known = days_of(snapshot, as_of, known_at)
    allowed = STATISTICS[name].by
    if by is not None and by not in allowed:
        raise Unprocessable("NOT_ONE_OF", field="by", params={"expected": ", ".join(allowed)})
    # Windows of one's own would tell the aid of a single day.
    first = answers.window(day) if since is None or name is StatisticName.AID_BY_KIND else since
    if first > day:
        raise Unprocessable("DATE_OUT_OF_RANGE", field="since", params={"earliest": EARLIEST, "latest": f"as_of ({day})"})
    return Question(name, area, by, day, known, first)


async def _matter_body(snapshot: Snapshot, one: Matter, language: str) -> dict[str, Any]:
    return {
        # Counts go with an enterprise that moves; the matter itself stays with those who may see an event of it.
        "id": one.id if one.events and not one.hidden else None,
        "enterprise_id": None if one.hidden else one.subject.partition("/")[2],
        "enterprise_name": one.name,
        "counts": one.counts,
        "events": await behind_bodies(snapshot, one.events, language),
    }
