"""What reads of entries have in common, for OpenAPI."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field

from services.cases.clocks.names import Reason, State
from shared.http.answers import NEXT

CASE_ID = "01938c5e-7f00-7000-8000-0000000000a1"
ENTERPRISE_ID = "01938c5e-7f00-7000-8000-0000000000e1"


class EntryAnswer(BaseModel):
    """An entry of a register."""

    id: UUID = Field(description="The id of the entry.", examples=[CASE_ID])
    enterprise_id: UUID | None = Field(
        None, description="The enterprise that it is about; of several, the first.", examples=[ENTERPRISE_ID]
    )
    area: str | None = Field(
        None,
        description="Where it is: the park in which the enterprise was on its last day, or is if it goes on; or the area that it is about.",
        examples=["330201"],
    )
    state: str = Field(description="The state that its facts lead to.", examples=["open"])
    event_id: UUID = Field(description="The event that states its opening now: the one that a correction names.", examples=[CASE_ID])
    sequence: int = Field(description="The position of that fact in its stream.", examples=[4])
    next_due: date | None = Field(None, description="The first day on which one of its clocks is due.", examples=["2026-04-17"])


class SubjectAnswer(BaseModel):
    """Whose clock it is."""

    noun: str = Field(description="case, negotiation or contract.", examples=["case"])
    id: UUID = Field(description="Its id.", examples=[CASE_ID])
    kind: str | None = Field(None, description="Its kind.", examples=["wage_arrears"])
    enterprise_id: UUID | None = Field(None, description="The enterprise that it is about.", examples=[ENTERPRISE_ID])
    area: str | None = Field(None, description="The park of the enterprise.", examples=["330201"])
    assigned_to: str | None = Field(None, description="Who handles it.", examples=["handler-7"])


class ClockAnswer(BaseModel):
    """A clock: a period that runs for a case, a negotiation or a contract."""

    subject: SubjectAnswer = Field(
        description="The case, negotiation or contract for which it runs.", examples=[{"noun": "case", "id": CASE_ID}]
    )
    clock: str = Field(description="The name of the clock.", examples=["arbitration_award"])
    party: str | None = Field(None, description="Whom it binds, if there are several.", examples=["worker"])
    document: str | None = Field(None, description="The letter that it waits for.", examples=["opinion"])
    begun_by: int | None = Field(None, description="The position of the fact from which it runs, in its stream.", examples=[3])
    starts_on: date | None = Field(
        None, description="The day from which it counts, itself not counted; null: it has not begun.", examples=["2026-03-03"]
    )
    due_on: date | None = Field(None, description="The last day; null: `reason` says why.", examples=["2026-04-17"])
    not_before: date | None = Field(None, description="A lower bound of the last day.", examples=["2026-04-17"])
    days: int | None = Field(None, description="The length of the period in units of `day_kind`, without extensions.", examples=[45])
    day_kind: str | None = Field(None, description="working, calendar or months.", examples=["calendar"])
    state: State = Field(description="What it is on `as_of`: on its due day it runs, on the day after it is overdue.", examples=["running"])
    extended_days: int = Field(description="Days of extensions.", examples=[0])
    law: str = Field(description="Where the period comes from.", examples=["中华人民共和国劳动争议调解仲裁法(2007年)"])
    law_en: str = Field(description="The same in English.", examples=["Labour Dispute Mediation and Arbitration Law 2007"])
    article: str | None = Field(None, description="The article.", examples=["43"])
    rule_version: str | None = Field(
        None, description="The value of the rule that was used.", examples=["arbitration_award/default/2008-05-01/1a2b3c4d"]
    )
    reason: Reason | None = Field(None, description="Why there is no due day.", examples=[None])
    missing_year: int | None = Field(None, description="With CALENDAR_ENDS the year whose working days are not known.", examples=[None])
    met_on: date | None = Field(None, description="The day on which what it waits for was done.", examples=[None])
    stopped_on: date | None = Field(None, description="The day on which it no longer mattered.", examples=[None])
    suspended: list[tuple[date, date | None]] = Field(
        [], description="The days left out: from the first one to the first that counts again.", examples=[[]]
    )


class ClocksAnswer(BaseModel):
    """Clocks, those that are due first at the top."""

    items: list[ClockAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])
