"""Reads of rules and calendars."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.cases.calendars.calendar import Calendar, YearTable
from services.cases.entries.needs import Context
from services.cases.rulebook import store
from services.cases.rulebook.defaults import DEFAULTS
from services.cases.rulebook.laws import LAWS
from services.cases.rulebook.rulebook import RuleValue, default_of, ruling_of
from shared.http.answers import NEXT, json_response
from shared.http.auth import Areas
from shared.http.requests import JsonRoute, Router
from shared.http.web import CallerOf
from shared.process import db

router = Router(prefix="/v1", route_class=JsonRoute)
READ = "cases:read"
YEARS_BEFORE, YEARS_AHEAD = 2, 2
"""Years around this one that the answer about calendars names in any case."""


class SetValueAnswer(BaseModel):
    """A value that was set for an area."""

    area: str | None = Field(description="The area; null: everywhere without a value of its own.", examples=["330200"])
    valid_from: date = Field(description="The first day on which it holds.", examples=["2026-01-01"])
    value: dict[str, Any] = Field(description="The value.", examples=[{"days": 30, "day_kind": "calendar"}])
    rule_version: str = Field(description="Its name in decisions and clocks.", examples=["arbitration_award/330200/2026-01-01/1a2b3c4d"])
    event_id: UUID = Field(
        description="The event that set it: the one that a correction names.", examples=["01938c5e-7f00-7000-8000-0000000000f1"]
    )
    set_on: date = Field(description="The day on which it was set.", examples=["2026-01-04"])


class RuleAnswer(BaseModel):
    """A rule with its national default and every value that was set."""

    name: str = Field(description="The name of the rule.", examples=["arbitration_award"])
    name_zh: str = Field(description="Its name in Chinese.", examples=["仲裁裁决期限"])
    name_en: str = Field(description="Its name in English.", examples=["award"])
    default: dict[str, Any] | None = Field(
        description="The national value; null: there is none (NO_RULE).", examples=[{"days": 45, "day_kind": "calendar"}]
    )
    default_version: str | None = Field(
        description="The name of the national value.", examples=["arbitration_award/default/2008-05-01/1a2b3c4d"]
    )
    law: str = Field(description="Where the rule comes from.", examples=["中华人民共和国劳动争议调解仲裁法(2007年)"])
    law_en: str = Field(description="The same in English.", examples=["Labour Dispute Mediation and Arbitration Law 2007"])
    article: str | None = Field(description="The article.", examples=["43"])
    mark: str = Field(
        description="R: read in the text; R2: read second-hand; M: from memory; V: local, or a choice of the platform.", examples=["R"]
    )
    local: bool = Field(description="Whether cities are known to have values of their own.", examples=[False])
    note_zh: str | None = Field(description="What is known of local values, in Chinese.", examples=[None])
    note_en: str | None = Field(description="The same in English.", examples=[None])
    values: list[SetValueAnswer] = Field(description="Every value that was set, by area and day.")


class RulesAnswer(BaseModel):
    """Every rule."""

    items: list[RuleAnswer] = Field(description="All of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class CalendarAnswer(BaseModel):
    """The arrangement of a year."""

    year: int = Field(description="The year.", examples=[2026])
    known: bool = Field(
        description="Whether its working days are known; if not, periods that end in it have no due day yet.", examples=[True]
    )
    source: str | None = Field(
        description="The notice that a table names, or the package of national arrangements.", examples=["chinesecalendar"]
    )
    holidays: list[date] = Field(
        description="Weekdays, and weekends that were named, on which people rest; of a packaged year none are listed.", examples=[[]]
    )
    working_days: list[date] = Field(
        description="Days of weekends on which people work; of a packaged year none are listed.", examples=[[]]
    )
    event_id: UUID | None = Field(description="The event that set the table: the one that a correction names.", examples=[None])


class CalendarsAnswer(BaseModel):
    """The years around this one, and every year with a table."""

    items: list[CalendarAnswer] = Field(description="Years in order.")
    next: str | None = Field(description=NEXT, examples=[None])
    missing: list[int] = Field(
        description="Years around this one whose working days are not known: enter them by PUT /v1/calendars/{year}.", examples=[[2027]]
    )


@router.get("/rules", response_model=RulesAnswer, tags=["rules"])
async def list_rules(request: Request, caller: CallerOf) -> Response:
    """Every rule of periods and decisions: the national default, where it comes from, and the values that were set by place and date."""
    caller.require(READ)
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        values = await store.values(conn)
    return json_response({"items": [shown_rule(name, values) for name in DEFAULTS], "next": None})


@router.get("/calendars", response_model=CalendarsAnswer, tags=["calendars"])
async def list_calendars(request: Request, caller: CallerOf) -> Response:
    """Which years' working days are known, and which are missing."""
    caller.require(READ)
    context: Context = request.app.state.context
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        tables = {row["year"]: row for row in await store.years(conn)}
        today = await context.clock.today(conn)
    calendar = Calendar(
        YearTable(year, frozenset(row["holidays"]), frozenset(row["working_days"]), row["source"]) for year, row in tables.items()
    )
    wanted = sorted({*tables, *range(today.year - YEARS_BEFORE, today.year + YEARS_AHEAD + 1)})
    missing = [year for year in range(today.year, today.year + YEARS_AHEAD + 1) if not calendar.knows(year)]
    return json_response({"items": [_year(year, tables.get(year), calendar) for year in wanted], "next": None, "missing": missing})


def shown_rule(name: str, values: list[dict[str, Any]]) -> dict[str, Any]:
    """The fields of RuleAnswer. `values`: every value that was set."""
    rule, default = DEFAULTS[name], default_of(name)
    return {
        "name": name,
        "name_zh": rule.named.zh,
        "name_en": rule.named.en,
        "default": default.value if default else None,
        "default_version": default.version if default else None,
        "law": LAWS[rule.law].zh,
        "law_en": LAWS[rule.law].en,
        "article": rule.article,
        "mark": rule.mark,
        "local": rule.local,
        "note_zh": rule.note.zh if rule.note else None,
        "note_en": rule.note.en if rule.note else None,
        "values": [_value(row) for row in values if row["name"] == name],
    }


def _value(row: dict[str, Any]) -> dict[str, Any]:
    stated = RuleValue(row["name"], row["area"] or "*", row["valid_from"], row["value"])
    return {
        "area": row["area"],
        "valid_from": row["valid_from"],
        "value": row["value"],
        "rule_version": ruling_of(stated).version,
        "event_id": row["event_id"],
        "set_on": row["set_on"],
    }


def _year(year: int, table: dict[str, Any] | None, calendar: Calendar) -> dict[str, Any]:
    known = calendar.knows(year)
    return {
        "year": year,
        "known": known,
        "source": table["source"] if table else "chinesecalendar" if known else None,
        "holidays": table["holidays"] if table else [],
        "working_days": table["working_days"] if table else [],
        "event_id": table["event_id"] if table else None,
    }
