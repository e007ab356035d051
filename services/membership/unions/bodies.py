"""The bodies that callers send about unions."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from services.membership.unions.commands import Cover, Dissolve, Found
from services.membership.unions.rules import MOST_ENTERPRISES
from shared.contracts.codes import DISSOLVING
from shared.contracts.membership import UnionKind
from shared.http.forms import AreaCode, Day, Id, Listed, Name, Note, Text
from shared.http.forms import Command as Form
from shared.journal.reasons import reason_of, reason_with


class UnionBody(Form):
    """A union approved by the next higher union. `enterprises` are the units that it covers from `approved_on` on.

    `dissolved_on` and `dissolved_reason`, both or neither: the union is over. A past one can be entered after a later one.
    """

    kind: UnionKind = Field(description="What kind of union it is.", examples=["joint_union"])
    name: Name | None = Field(None, description="Its name, 200 characters at most; null: not given.", examples=["示例产业园联合工会"])
    parent_union_id: Id | None = Field(None, description="The next higher union; null: not given.", examples=[None])
    seat_area: AreaCode = Field(description="The division or park of its seat.", examples=["330200-P001"])
    approved_on: Day = Field(description="The day of the approval by the next higher union, not after today.", examples=["2025-05-01"])
    enterprises: list[Id] = Field(
        default_factory=list,
        max_length=MOST_ENTERPRISES,
        description="The enterprises that it covers from that day on.",
        examples=[["01938c5e-7f00-7000-8000-0000000000e1"]],
    )
    dissolved_on: Day | None = Field(
        None, description="The first day on which it is no more, if it is over; not after today.", examples=[None]
    )
    dissolved_reason: Annotated[Text, Listed(DISSOLVING)] | None = Field(
        None, description="Why it ended, as a code of docs/codes.md; with `dissolved_on`.", examples=[None]
    )
    note: Note | None = Field(None, description="A text about its end, with `dissolved_reason`; stays with the service.", examples=[None])

    def command(self) -> Found:
        """The command."""
        return Found(
            self.kind,
            self.name,
            self.parent_union_id,
            self.seat_area,
            self.approved_on,
            tuple(self.enterprises),
            self.dissolved_on,
            reason_with(self.dissolved_reason, self.note, "dissolved_reason"),
        )


class CoverageBody(Form):
    """The union begins (`"started": true`) or ceases (`"ended": true`) to cover the enterprise; `action` says the same in one word.

    `false` says nothing, as if it were left out. A start with `ended_on` is a past coverage, which can be entered after a later one."""

    enterprise_id: Id = Field(description="The enterprise.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    on: Day = Field(description="The first day on which the union covers it, or no longer does; not after today.", examples=["2025-05-01"])
    started: StrictBool | None = Field(None, description="True: it begins.", examples=[True])
    ended: StrictBool | None = Field(None, description="True: it ceases.", examples=[None])
    action: Literal["started", "ended"] | None = Field(None, description="The same in one word.", examples=[None])
    ended_on: Day | None = Field(
        None, description="With a start: the first day on which the union no longer covers it; a past coverage.", examples=[None]
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> CoverageBody:
        if len({"started" if self.started else None, "ended" if self.ended else None, self.action} - {None}) != 1:
            raise PydanticCustomError("STARTED_OR_ENDED", "say either started or ended")
        if self.ended_on is not None and not self._starts:
            raise PydanticCustomError("STARTED_OR_ENDED", "ended_on comes with a start")
        return self

    @property
    def _starts(self) -> bool:
        return self.started is True or self.action == "started"

    def of(self, union_id: UUID) -> Cover:
        """The command."""
        return Cover(union_id, self.enterprise_id, self.on, started=self._starts, ended_on=self.ended_on)


class DissolutionBody(Form):
    """The union ends. `note`: a text that stays with the service."""

    on: Day = Field(description="The first day on which the union is no more, not after today.", examples=["2026-06-30"])
    reason: Annotated[Text, Listed(DISSOLVING)] = Field(examples=["merged"])
    note: Note | None = Field(None, description="A text about it, which stays with the service and enters no event.", examples=[None])

    def of(self, union_id: UUID) -> Dissolve:
        """The command."""
        return Dissolve(union_id, self.on, reason_of(self.reason, self.note))
