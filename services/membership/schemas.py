"""The bodies that callers send, as pydantic models that become commands, and the forms of answers. Nothing here knows a database.

In a batch a path's id stands in the body, as `union_id` or `member_id`.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from services.membership.domain.commands import Command, Correct, Cover, Dissolve, Found, Join, Leave, Transfer
from services.membership.domain.state import Reason
from shared.contracts.membership import UnionKind
from shared.ids import uuid7

REASON_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _iso_day(value: Any) -> date:
    try:
        if not isinstance(value, str) or not ISO_DAY.fullmatch(value):
            raise ValueError
        return date.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("INVALID_DATE", "a date is written YYYY-MM-DD") from None


Day = Annotated[date, BeforeValidator(_iso_day), Field(json_schema_extra={"type": "string", "format": "date"})]
AreaCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"\S")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")]


def reason_of(text: str) -> Reason:
    """A code as it is; anything else is free text, which goes into a note that the event only names."""
    return Reason(text) if REASON_CODE.fullmatch(text) else Reason("note", uuid7(), text)


class Body(BaseModel):
    """A command's body; fields that it does not know are an error."""

    model_config = ConfigDict(extra="forbid")
    op: ClassVar[str]


class UnionBody(Body):
    """A union approved by the next higher union. `enterprises` are the units that it covers from `approved_on` on."""

    op = "union"
    kind: UnionKind
    name: Name | None = None
    parent_union_id: UUID | None = None
    seat_area: AreaCode
    approved_on: Day
    enterprises: list[UUID] = []

    def command(self) -> Found:
        """As the rules know it."""
        return Found(self.kind, self.name, self.parent_union_id, self.seat_area, self.approved_on, tuple(self.enterprises))


class CoverageBody(Body):
    """The union begins (`"started": true`) or ceases (`"ended": true`) to cover the enterprise; `action` says the same in one word."""

    enterprise_id: UUID
    on: Day
    started: Literal[True] | None = None
    ended: Literal[True] | None = None
    action: Literal["started", "ended"] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> CoverageBody:
        if len({self.started and "started", self.ended and "ended", self.action} - {None}) != 1:
            raise PydanticCustomError("STARTED_OR_ENDED", "say either started or ended")
        return self

    def of(self, union_id: UUID) -> Cover:
        """As the rules know it."""
        return Cover(union_id, self.enterprise_id, self.on, started=self.started is True or self.action == "started")


class CoverageLine(CoverageBody):
    """A coverage in a batch."""

    op = "coverage"
    union_id: UUID

    def command(self) -> Cover:
        """As the rules know it."""
        return self.of(self.union_id)


class DissolutionBody(Body):
    """The union ends. `reason` is a code, or a text that stays with the service."""

    on: Day
    reason: Text

    def of(self, union_id: UUID) -> Dissolve:
        """As the rules know it."""
        return Dissolve(union_id, self.on, reason_of(self.reason))


class DissolutionLine(DissolutionBody):
    """A dissolution in a batch."""

    op = "dissolution"
    union_id: UUID

    def command(self) -> Dissolve:
        """As the rules know it."""
        return self.of(self.union_id)


class DocumentBody(Body):
    """An identity document: `resident_id`, `permit`, `passport`, … and its number."""

    kind: str = Field(min_length=1, max_length=32)
    number: str = Field(min_length=1, max_length=128, repr=False)


class MemberBody(Body):
    """A person joins the union at an enterprise that it covers."""

    op = "member"
    union_id: UUID
    enterprise_id: UUID
    document: DocumentBody
    joined_on: Day

    def command(self) -> Join:
        """As the rules know it."""
        return Join(self.union_id, self.enterprise_id, self.document.kind, self.document.number, self.joined_on)


class LeaveBody(Body):
    """The member leaves. `reason` is a code, or a text that stays with the service."""

    on: Day
    reason: Text

    def of(self, member_id: UUID) -> Leave:
        """As the rules know it."""
        return Leave(member_id, self.on, reason_of(self.reason))


class LeaveLine(LeaveBody):
    """A leave in a batch."""

    op = "leave"
    member_id: UUID

    def command(self) -> Leave:
        """As the rules know it."""
        return self.of(self.member_id)


class TransferBody(Body):
    """The member goes to another union or enterprise."""

    on: Day
    union_id: UUID
    enterprise_id: UUID

    def of(self, member_id: UUID) -> Transfer:
        """As the rules know it."""
        return Transfer(member_id, self.on, self.union_id, self.enterprise_id)


class TransferLine(TransferBody):
    """A transfer in a batch."""

    op = "transfer"
    member_id: UUID

    def command(self) -> Transfer:
        """As the rules know it."""
        return self.of(self.member_id)


class CorrectionBody(Body):
    """An earlier fact was wrong. `data`: the fields that change, by the names of the command; null: the fact never was."""

    op = "correction"
    corrects: UUID
    reason: Text
    data: dict[str, Any] | None

    def command(self) -> Correct:
        """As the rules know it."""
        return Correct(self.corrects, reason_of(self.reason), self.data)


class Answer(BaseModel):
    """What a command answers: the resource, its stream, the sequence of its last event there, all events said."""

    id: str
    subject: str
    sequence: int
    event_ids: list[UUID]


OPS: dict[str, type[Body]] = {
    model.op: model for model in (UnionBody, CoverageLine, DissolutionLine, MemberBody, LeaveLine, TransferLine, CorrectionBody)
}
"""{op of a batch's line: its body}; each has `command()`."""


def command_of(body: Any) -> Command:
    """The command of a body of `OPS`."""
    command: Command = body.command()
    return command
