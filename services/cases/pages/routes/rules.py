"""Rules by place and day, and the years of the calendar."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from services.cases.pages.page import PageRoute, case_page
from services.cases.rulebook import store
from services.cases.rulebook.defaults import DEFAULTS
from services.cases.rulebook.routes import YEARS_AHEAD, YEARS_BEFORE, shown_rule
from shared.http.requests import Router
from shared.http.web import CallerOf

router = Router(route_class=PageRoute, include_in_schema=False)


@router.get("/rules")
async def rules_page(request: Request, caller: CallerOf) -> Response:
    """Every rule: its national value, where it comes from, and the values that places have set; and which years' working days are known."""
    async with case_page(request, caller) as page:
        values = await store.values(page.conn)
        calendar = (await page.context.tables.current(page.conn)).made[1]
        tables = {row["year"]: row for row in await store.years(page.conn)}
        years = sorted({*tables, *range(page.today.year - YEARS_BEFORE, page.today.year + YEARS_AHEAD + 1)}, reverse=True)
        return page.render(
            "rules.html",
            rules=[shown_rule(name, values) for name in DEFAULTS],
            names=await page.names([row["area"] for row in values]),
            years=[(year, calendar.knows(year), tables.get(year)) for year in years],
            missing=await page.missing_years(),
        )
